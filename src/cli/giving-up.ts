/** When a client stops trying, as its flags say: so that a service manager may start it anew. */
import type { ClientPool } from '../client/client-pool.ts';
import type { Servers } from '../client/servers.ts';
import type { CloseReason } from '../shared/close-reason.ts';
import { DiscoveryError, type PooldError, RejectedError } from '../shared/errors.ts';
import { ExitCode } from './exit-codes.ts';
import type { Logger } from './logging.ts';

export interface Patience {
  /** End when the servers refuse, even if they have let this client in before. */
  readonly exitOnReject: boolean;
  /** End when the last connection is lost, instead of dialling again. */
  readonly exitOnLoss: boolean;
  /** End after so many failed dials in a row, at each server; undefined never. */
  readonly maxRetryCount: number | undefined;
}

/** The ends of a connection that say that the server has gone. */
const LOSSES: ReadonlySet<CloseReason> = new Set([
  'peer-closed',
  'error',
  'protocol-error',
  'keep-alive-timeout',
  'drained',
  'stalled',
]);

/** Why a server is hopeless, and the exit code for it. */
interface Verdict {
  readonly code: ExitCode;
  readonly error: PooldError;
  readonly says: string;
}

/** Watches the tunnels of a client. It gives up when all of them have, or when one is lost that must not be. */
export class GivingUp {
  /** The exit code, once it has given up; why has been logged. */
  readonly code: Promise<ExitCode>;
  readonly #patience: Patience;
  #end: (code: ExitCode) => void = () => {};
  /** The verdict on each tunnel: the exit code, or undefined while there is hope. */
  readonly #tunnels = new Map<Servers, ExitCode | undefined>();

  constructor(patience: Patience) {
    this.#patience = patience;
    this.code = new Promise((resolve) => (this.#end = resolve));
  }

  /** Watches the servers of one more tunnel. Returns how to stop that. */
  watch(servers: Servers, log: Logger): () => void {
    this.#tunnels.set(servers, undefined);
    const watch = new Watch(servers, this.#patience, log, (code) => this.#judge(servers, code), this.#end);
    for (const { pool } of servers.entries) watch.add(pool);
    servers.on('serverAdded', ({ pool }) => watch.add(pool));
    return () => {
      this.#tunnels.delete(servers);
      // Not before another one has taken its place, in the same turn.
      queueMicrotask(() => this.#judgeAll());
    };
  }

  #judge(servers: Servers, code: ExitCode | undefined): void {
    // One that is left says no more.
    if (!this.#tunnels.has(servers)) return;
    this.#tunnels.set(servers, code);
    this.#judgeAll();
  }

  #judgeAll(): void {
    const codes = [...this.#tunnels.values()];
    const [first] = codes;
    if (first !== undefined && !codes.includes(undefined)) this.#end(first);
  }
}

/** Watches the servers of one tunnel, which has given up when all of them are hopeless. */
class Watch {
  readonly #servers: Servers;
  readonly #patience: Patience;
  readonly #log: Logger;
  readonly #judged: (code: ExitCode | undefined) => void;
  readonly #onLoss: (code: ExitCode) => void;
  readonly #verdicts = new Map<ClientPool, Verdict>();
  #hopeless = false;

  constructor(
    servers: Servers,
    patience: Patience,
    log: Logger,
    judged: (code: ExitCode | undefined) => void,
    onLoss: (code: ExitCode) => void,
  ) {
    this.#servers = servers;
    this.#patience = patience;
    this.#log = log;
    this.#judged = judged;
    this.#onLoss = onLoss;
    watchNames(servers, patience, (verdict) => this.#say([verdict]));
  }

  add(pool: ClientPool): void {
    const { exitOnLoss } = this.#patience;
    pool.on('dialed', () => this.#hope(pool));
    pool.once('poolClosed', () => this.#verdicts.delete(pool));
    pool.on('dialFailed', ({ error, attempt }) => {
      const verdict = verdictOn(pool, error, attempt, this.#patience);
      if (verdict === undefined) return this.#hope(pool);
      this.#verdicts.set(pool, verdict);
      const all = this.#servers.entries.map((entry) => this.#verdicts.get(entry.pool));
      if (all.length > 0 && !all.includes(undefined)) this.#say(all as Verdict[]);
    });
    if (!exitOnLoss) return;
    pool.on('connectionClosed', ({ reason }) => {
      const servers = this.#servers;
      if (!servers.ready || servers.idle + servers.inUse > 0 || !LOSSES.has(reason)) return;
      this.#log.error({ reason }, 'the server is lost');
      this.#onLoss(ExitCode.givenUp);
    });
  }

  #hope(pool: ClientPool): void {
    this.#verdicts.delete(pool);
    if (this.#hopeless) this.#judged(undefined);
    this.#hopeless = false;
  }

  #say(verdicts: readonly Verdict[]): void {
    if (this.#hopeless) return;
    this.#hopeless = true;
    for (const { error, says } of verdicts) this.#log.error({ code: error.code }, says);
    this.#judged(verdicts[0]?.code ?? ExitCode.givenUp);
  }
}

/** While there is no server at all, the failed lookups of its names count as failed retries. */
function watchNames(servers: Servers, { maxRetryCount }: Patience, end: (verdict: Verdict) => void): void {
  if (maxRetryCount === undefined) return;
  const failures = new Map<string, number>();
  servers.on('fault', ({ error }) => {
    if (!(error instanceof DiscoveryError) || servers.entries.length > 0) return;
    failures.set(error.spec, (failures.get(error.spec) ?? 0) + 1);
    if (servers.names.every((name) => (failures.get(name) ?? 0) > maxRetryCount)) end(givenUp(error, maxRetryCount));
  });
}

function givenUp(error: PooldError, retries: number): Verdict {
  return { code: ExitCode.givenUp, error, says: `given up after ${retries} retries: ${error.message}` };
}

function verdictOn(pool: ClientPool, error: PooldError, attempt: number, patience: Patience): Verdict | undefined {
  if (isFinal(error) && (patience.exitOnReject || !pool.welcomed)) {
    return { code: ExitCode.refused, error, says: `the server refuses this client: ${error.detail}` };
  }
  const { maxRetryCount = Infinity } = patience;
  return attempt > maxRetryCount ? givenUp(error, maxRetryCount) : undefined;
}

/** Whether the refusal is one that only a person can mend. */
function isFinal(error: unknown): error is RejectedError {
  return error instanceof RejectedError && ['auth', 'tunnel', 'version'].includes(error.reason);
}
