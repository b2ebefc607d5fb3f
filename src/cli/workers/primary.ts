/** The first process of a server with several: starts the others, starts one again that ends, and serves nobody itself. */
import cluster, { type Worker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { systemClock, type Timer } from '../../shared/clock.ts';
import { reasonOf } from '../../shared/errors.ts';
import { Backoff } from '../../shared/resilience/backoff.ts';
import { serverMaterial } from '../../shared/tls/material.ts';
import type { AdminSettings } from '../admin-flags.ts';
import { ExitCode } from '../exit-codes.ts';
import { checkFree } from '../free-address.ts';
import { type Logger, makeLogger } from '../logging.ts';
import type { ServerPlan } from '../plan.ts';
import { diffPlans } from '../plan-diff.ts';
import { rehearseServer } from '../rehearse.ts';
import { checkLasting, lastingOf, onDemand, reloader } from '../reload.ts';
import { SERVER_TRAITS } from '../server-tunnels.ts';
import { untilStopped } from '../signals.ts';
import { type Service, serviceManager } from '../systemd.ts';
import type { WorkersAdmin } from './workers-admin.ts';
import { type FromWorker, type Listening, type Setup, type ToWorker } from './messages.ts';
import { WORKER_VARIABLE } from './worker-place.ts';

/** The longest pause before a worker that keeps ending is started again, ms. */
const MAX_RESTART_MS = 5000;

/** The shortest time between two rounds of telling the workers of each other, ms. */
const PEERS_PAUSE_MS = 20;

/** Why a worker is not there. */
interface Why {
  readonly code?: number | null;
  readonly signal?: string | null;
  readonly error?: string;
}

/** One place for a worker, which may be filled again and again. */
interface Place {
  readonly index: number;
  readonly backoff: Backoff;
  worker: Worker | undefined;
  /** Whether its worker has said that it hears; what it is told before is lost. */
  hears: boolean;
  listening: Listening | undefined;
  /** The tunnels that have a connection idle there. */
  idle: readonly string[];
  /** The peers that its worker was told of last. */
  told: string;
  restart: Timer | undefined;
  /** Who waits for its worker to say how a reload went, in order. */
  readonly reloads: ((problem: string | undefined) => void)[];
}

/** @param again reads the plan anew */
export async function runPrimary(
  plan: ServerPlan,
  again: () => Promise<ServerPlan>,
  adminAt?: AdminSettings,
): Promise<ExitCode> {
  // Imported late: without --admin nothing of it is loaded.
  const admin = adminAt && new (await import('./workers-admin.ts')).WorkersAdmin(adminAt);
  const log = await makeLogger(plan.settings, admin?.notes.hear);
  for (const warning of plan.warnings) log.warn(warning);
  const primary = new Primary(plan, log, admin);
  let current = plan;
  const reload = reloader(async () => {
    const next = await again();
    checkLasting('server', lastingOf('server', current.command), next.command);
    await rehearseServer(next);
    const diff = diffPlans(current.tunnels, next.tunnels, SERVER_TRAITS);
    await checkFree(diff.entrances);
    for (const warning of next.warnings) log.warn(warning);
    // From now on, whatever a worker makes of it.
    current = next;
    const failed = await primary.reload();
    admin?.forget([...diff.changed, ...diff.removed]);
    return { ...diff, failed };
  }, log);
  const stopped = untilStopped({
    stop: (signal) => primary.stop(signal),
    reload: () => void reload(),
  });
  if (admin !== undefined) admin.reload = onDemand(reload);
  try {
    await admin?.start(log);
    return await Promise.race([primary.run(), stopped.then(() => ExitCode.clean)]);
  } finally {
    admin?.close();
  }
}

class Primary {
  readonly #plan: ServerPlan;
  readonly #log: Logger;
  readonly #service: Service;
  readonly #admin: WorkersAdmin | undefined;
  readonly #places: readonly Place[];
  readonly #secret = randomBytes(16).toString('hex');
  #setup: Setup | undefined;
  #stopping = false;
  #said = false;
  #telling: Timer | undefined;
  #end: (code: ExitCode) => void = () => {};

  constructor(plan: ServerPlan, log: Logger, admin: WorkersAdmin | undefined) {
    this.#plan = plan;
    this.#log = log;
    this.#service = serviceManager(log);
    this.#admin = admin;
    if (admin !== undefined) admin.ask = (round, withMetrics) => this.#ask(round, withMetrics);
    this.#places = Array.from({ length: plan.settings.workers }, (_, index) => {
      const backoff = new Backoff();
      return {
        index,
        backoff,
        worker: undefined,
        hears: false,
        listening: undefined,
        idle: [],
        told: '',
        restart: undefined,
        reloads: [],
      };
    });
  }

  /** Resolves with the exit code when one could not start. */
  async run(): Promise<ExitCode> {
    const { tls } = this.#plan.settings.listener;
    // Every worker shows the same certificate: a client may have pinned it.
    const material = tls?.mode === 1 ? await serverMaterial(tls) : undefined;
    const lasting = lastingOf('server', this.#plan.command);
    this.#setup = { type: 'setup', material, secret: this.#secret, lasting };
    // The system hands out connections; Node's own rota costs a third more (docs/performance.md).
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    return new Promise((resolve) => {
      this.#end = resolve;
      for (const place of this.#places) this.#fork(place);
    });
  }

  /** Ends all workers in order; resolves when they have. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#stopTimers();
    this.#log.info({ signal }, 'ending: no new visitors');
    this.#service.stopping();
    const running = this.#places.flatMap(({ worker }) => (worker === undefined ? [] : [worker]));
    const ends = running.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of running) send(worker, { type: 'stop' });
    await Promise.all(ends);
    this.#log.info('ended');
    this.#service.close();
  }

  /** Has all workers read their files again. Returns what was wrong where one could not do all that they say. */
  async reload(): Promise<string[]> {
    const asked = this.#places.map(async ({ index, worker, hears, reloads }) => {
      // It is going to read them when it starts.
      if (worker === undefined || !hears) return [];
      const problem = new Promise<string | undefined>((resolve) => reloads.push(resolve));
      send(worker, { type: 'reload' });
      const said = await problem;
      return said === undefined ? [] : [`worker ${index}: ${said}`];
    });
    return (await Promise.all(asked)).flat();
  }

  #fork(place: Place): void {
    let worker: Worker;
    try {
      worker = cluster.fork({ [WORKER_VARIABLE]: `${place.index}/${this.#places.length}` });
    } catch (error) {
      return this.#left(place, undefined, { error: reasonOf(error) });
    }
    place.worker = worker;
    place.told = '';
    worker.on('message', (message: FromWorker) => this.#hear(place, worker, message));
    worker.on('exit', (code, signal) => this.#left(place, worker, { code, signal }));
    worker.on('error', (error) => {
      // Of a process that never was, or of a channel whose process is just ending, which says so itself.
      if (worker.process.pid === undefined) this.#left(place, worker, { error: reasonOf(error) });
    });
  }

  #hear(place: Place, worker: Worker, message: FromWorker): void {
    // What a worker has said may come after its end, and is not its successor's.
    if (place.worker !== worker) return;
    switch (message.type) {
      case 'ready':
        place.hears = true;
        send(worker, this.#setup as Setup);
        return this.#stopping ? send(worker, { type: 'stop' }) : undefined;
      case 'listening':
        place.listening = message;
        place.backoff.reset();
        this.#tellPeersSoon();
        return this.#announce();
      case 'idle':
        place.idle = message.tunnels;
        return this.#tellPeersSoon();
      case 'answer':
        return this.#admin?.take(place.index, message.round, message.part);
      case 'reloaded':
        return place.reloads.shift()?.(message.problem);
      case 'noted':
        return this.#admin?.notes.add(message.note);
    }
  }

  /** Asks those that serve how they are; returns which. */
  #ask(round: number, withMetrics: boolean): number[] {
    return this.#places.flatMap(({ index, worker, listening }) => {
      if (worker === undefined || listening === undefined) return [];
      send(worker, { type: 'ask', round, withMetrics });
      return [index];
    });
  }

  /** Says once that visitors may come: when all serve. */
  #announce(): void {
    const places = this.#places.map(({ listening }) => listening);
    const [first] = places;
    if (this.#said || first === undefined || places.includes(undefined)) return;
    this.#said = true;
    const { listen, public: visitors, fingerprint } = first;
    const { workers, listener } = this.#plan.settings;
    const addresses = { listen, public: this.#plan.fromFile ? visitors : visitors[0] };
    this.#log.info({ ...addresses, tls: listener.tls?.mode, fingerprint, workers }, 'listening');
    this.#service.ready(`listening on ${listen}`);
  }

  /** Tells each worker where a visitor would find a connection at once; what changes meanwhile is told together. */
  #tellPeersSoon(): void {
    this.#telling ??= systemClock.setTimeout(() => {
      this.#telling = undefined;
      for (const place of this.#places) this.#tellPeers(place);
    }, PEERS_PAUSE_MS);
  }

  #tellPeers(place: Place): void {
    const ports = new Map<string, number[]>();
    for (const { idle, listening } of this.#places.filter((other) => other !== place)) {
      if (listening === undefined) continue;
      for (const tunnel of idle) ports.set(tunnel, [...(ports.get(tunnel) ?? []), listening.passPort]);
    }
    const text = JSON.stringify([...ports]);
    if (place.worker === undefined || place.listening === undefined || place.told === text) return;
    place.told = text;
    send(place.worker, { type: 'peers', ports: [...ports] });
  }

  /** A worker has ended, or could not be started. */
  #left(place: Place, worker: Worker | undefined, why: Why): void {
    if (place.worker !== worker) return;
    const { index, backoff, listening } = place;
    this.#admin?.left(index);
    Object.assign(place, { worker: undefined, hears: false, listening: undefined, idle: [] });
    // The next one reads them when it starts.
    for (const done of place.reloads.splice(0)) done(undefined);
    if (this.#stopping) return;
    // One that never served has said why; the others would say the same.
    if (listening === undefined && !this.#said) return this.#giveUp(why);
    const retryInMs = Math.round(backoff.next(MAX_RESTART_MS));
    this.#log.error({ worker: index, ...why, retryInMs }, 'a worker has ended, and is started again');
    this.#tellPeersSoon();
    place.restart = systemClock.setTimeout(() => this.#fork(place), retryInMs);
  }

  #giveUp({ code, error }: Why): void {
    this.#stopTimers();
    if (error !== undefined) this.#log.error(`a worker cannot be started: ${error}`);
    for (const { worker } of this.#places) worker?.process.kill('SIGKILL');
    this.#end((code || ExitCode.failed) as ExitCode);
  }

  #stopTimers(): void {
    this.#stopping = true;
    systemClock.clearTimeout(this.#telling);
    for (const { restart } of this.#places) systemClock.clearTimeout(restart);
  }
}

function send(worker: Worker, message: ToWorker): void {
  // One that is just ending hears nothing, and needs to hear nothing.
  if (worker.isConnected()) worker.send(message, () => {});
}
