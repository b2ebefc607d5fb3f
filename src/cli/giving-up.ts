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

/** Resolves with the exit code when the client gives up on all its servers, having said why. */
export function untilGivenUp(servers: Servers, patience: Patience, log: Logger): Promise<ExitCode> {
  const verdicts = new Map<ClientPool, Verdict>();
  return new Promise((resolve) => {
    const judge = (): void => {
      const all = servers.entries.map(({ pool }) => verdicts.get(pool));
      if (all.length === 0 || all.includes(undefined)) return;
      for (const verdict of all) if (verdict !== undefined) log.error({ code: verdict.error.code }, verdict.says);
      resolve(all[0]?.code ?? ExitCode.givenUp);
    };
    const watch = (pool: ClientPool): void => {
      pool.on('dialed', () => verdicts.delete(pool));
      pool.once('poolClosed', () => verdicts.delete(pool));
      pool.on('dialFailed', ({ error, attempt }) => {
        const verdict = verdictOn(pool, error, attempt, patience);
        if (verdict === undefined) {
          verdicts.delete(pool);
          return;
        }
        verdicts.set(pool, verdict);
        judge();
      });
      if (!patience.exitOnLoss) return;
      pool.on('connectionClosed', ({ reason }) => {
        if (!servers.ready || servers.idle + servers.inUse > 0 || !LOSSES.has(reason)) return;
        log.error({ reason }, 'the server is lost');
        resolve(ExitCode.givenUp);
      });
    };
    for (const { pool } of servers.entries) watch(pool);
    watchNames(servers, patience, (verdict) => {
      log.error({ code: verdict.error.code }, verdict.says);
      resolve(verdict.code);
    });
    servers.on('serverAdded', ({ pool }) => watch(pool));
  });
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
