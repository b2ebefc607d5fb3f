/** The first process of a server with several: starts the others, starts one again that ends, and serves nobody itself. */
import cluster, { type Worker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../shared/clock.ts';
import { Backoff } from '../../shared/resilience/backoff.ts';
import { serverMaterial } from '../../shared/tls/material.ts';
import { ExitCode } from '../exit-codes.ts';
import { type Logger, makeLogger } from '../logging.ts';
import type { ServerSettings } from '../settings.ts';
import { untilStopped } from '../signals.ts';
import { type FromWorker, type Listening, type Setup, type ToWorker, WORKER_VARIABLE } from './messages.ts';

/** The longest pause before a worker that keeps ending is started again, ms. */
const MAX_RESTART_MS = 5000;

/** One place for a worker, which may be filled again and again. */
interface Place {
  readonly index: number;
  readonly backoff: Backoff;
  worker: Worker | undefined;
  listening: Listening | undefined;
  idle: boolean;
}

export async function runPrimary(settings: ServerSettings): Promise<ExitCode> {
  const log = await makeLogger(settings);
  for (const warning of settings.warnings) log.warn(warning);
  const primary = new Primary(settings, log);
  const stopped = untilStopped({
    stop: (signal) => primary.stop(signal),
    reload: () => log.info('SIGHUP: there is no file to read again'),
  });
  return Promise.race([primary.run(), stopped.then(() => ExitCode.clean)]);
}

class Primary {
  readonly #settings: ServerSettings;
  readonly #log: Logger;
  readonly #places: readonly Place[];
  readonly #secret = randomBytes(16).toString('hex');
  #setup: Setup | undefined;
  #stopping = false;
  #said = false;
  #end: (code: ExitCode) => void = () => {};

  constructor(settings: ServerSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#places = Array.from({ length: settings.workers }, (_, index) => ({
      index,
      backoff: new Backoff({ random: Math.random }),
      worker: undefined,
      listening: undefined,
      idle: false,
    }));
  }

  /** Resolves with the exit code when all workers have ended, or one could not start. */
  async run(): Promise<ExitCode> {
    const { tls } = this.#settings.pool;
    // Every worker shows the same certificate: a client may have pinned it.
    const material = tls?.mode === 1 ? await serverMaterial(tls) : undefined;
    this.#setup = { type: 'setup', material, secret: this.#secret };
    // The system hands out connections; Node's own rota costs a third more (docs/performance.md).
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    return new Promise((resolve) => {
      this.#end = resolve;
      for (const place of this.#places) this.#fork(place);
    });
  }

  /** Ends all workers in order; resolves when they have. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#stopping = true;
    this.#log.info({ signal }, 'ending: no new visitors');
    const running = this.#places.flatMap(({ worker }) => (worker === undefined ? [] : [worker]));
    const ends = running.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
    for (const worker of running) send(worker, { type: 'stop', signal });
    await Promise.all(ends);
    this.#log.info('ended');
  }

  #fork(place: Place): void {
    if (this.#stopping) return;
    const worker = cluster.fork({ [WORKER_VARIABLE]: `${place.index}/${this.#places.length}` });
    place.worker = worker;
    worker.on('message', (message: FromWorker) => this.#hear(place, worker, message));
    worker.on('exit', (code, signal) => this.#left(place, code, signal));
  }

  #hear(place: Place, worker: Worker, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        return send(worker, this.#setup as Setup);
      case 'listening':
        place.listening = message;
        place.backoff.reset();
        return this.#announce();
      case 'idle':
        place.idle = message.idle;
        return this.#tellPeers();
    }
  }

  /** Says once that visitors may come: when all serve. */
  #announce(): void {
    const places = this.#places.map(({ listening }) => listening);
    const [first] = places;
    if (this.#said || first === undefined || places.includes(undefined)) return;
    this.#said = true;
    const { listen, public: visitors, fingerprint } = first;
    const { workers, pool } = this.#settings;
    this.#log.info({ listen, public: visitors, tls: pool.tls?.mode, fingerprint, workers }, 'listening');
  }

  /** Tells each worker where a visitor would find a connection at once. */
  #tellPeers(): void {
    for (const { worker, index } of this.#places) {
      const others = this.#places.filter((other) => other.index !== index && other.idle);
      const ports = others.flatMap(({ listening }) => listening?.passPort ?? []);
      if (worker !== undefined) send(worker, { type: 'peers', ports });
    }
  }

  #left(place: Place, code: number | null, signal: string | null): void {
    const { index, backoff, listening } = place;
    Object.assign(place, { worker: undefined, listening: undefined, idle: false });
    if (this.#stopping) return;
    // One that never served has said why; the others would say the same.
    if (listening === undefined && !this.#said) return this.#giveUp((code ?? ExitCode.failed) as ExitCode);
    const retryInMs = Math.round(backoff.next(MAX_RESTART_MS));
    this.#log.error({ worker: index, code, signal, retryInMs }, 'a worker has ended, and is started again');
    this.#tellPeers();
    systemClock.setTimeout(() => this.#fork(place), retryInMs);
  }

  #giveUp(code: ExitCode): void {
    this.#stopping = true;
    for (const { worker } of this.#places) worker?.process.kill('SIGKILL');
    this.#end(code);
  }
}

function send(worker: Worker, message: ToWorker): void {
  // One that is just ending hears nothing, and needs to hear nothing.
  if (worker.isConnected()) worker.send(message, () => {});
}
