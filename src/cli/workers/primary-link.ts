import type { Part } from '../admin/local-source.ts';
import type { FromWorker, Setup, ToWorker } from './messages.ts';

/** A worker's side of its channel to the first process: one listener, from the start, so that nothing is missed. */
export class PrimaryLink {
  /** What all workers have in common. */
  readonly setup: Promise<Setup>;
  /** Resolves when this process is to end in order. When the first one is gone, node:cluster ends it at once. */
  readonly stopped: Promise<void>;
  /** Where other workers take visitors, by the tunnels that have a connection idle there. */
  ports: ReadonlyMap<string, readonly number[]> = new Map();
  /** Says how the files are read again; what was asked before is done then. */
  readonly canReload: (reload: () => Promise<void>) => void;
  /** Answers the first process when it asks how this one is. */
  onAsk: ((withMetrics: boolean) => Promise<Part>) | undefined;

  constructor() {
    let setUp: (setup: Setup) => void = () => {};
    let stop: () => void = () => {};
    let canReload: (reload: () => Promise<void>) => void = () => {};
    const reload = new Promise<() => Promise<void>>((resolve) => (canReload = resolve));
    this.canReload = canReload;
    this.setup = new Promise((resolve) => (setUp = resolve));
    this.stopped = new Promise((resolve) => (stop = resolve));
    // A terminal's signals reach all of its processes; the first one decides.
    process.on('SIGINT', () => {}).on('SIGHUP', () => {});
    process.on('SIGTERM', () => stop());
    process.on('message', (message: ToWorker) => {
      if (message.type === 'setup') setUp(message);
      else if (message.type === 'peers') this.ports = new Map(message.ports);
      else if (message.type === 'reload') void reload.then((run) => run());
      else if (message.type === 'ask') void this.#answer(message.round, message.withMetrics);
      else stop();
    });
    this.tell({ type: 'ready' });
  }

  tell(message: FromWorker): void {
    process.send?.(message);
  }

  async #answer(round: number, withMetrics: boolean): Promise<void> {
    const part = await this.onAsk?.(withMetrics);
    // The first process may have gone meanwhile.
    if (part !== undefined && process.connected) this.tell({ type: 'answer', round, part });
  }
}
