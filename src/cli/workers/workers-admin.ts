/** The admin address of a server with several processes: the first one serves it, and sums what the others tell. */
import { systemClock, type Timer } from '../../shared/clock.ts';
import { metricsText, ProcessWatch, type Snapshots } from '../../shared/telemetry/metrics.ts';
import { sumListeners, sumPublics, sumSnapshots, totalsOf } from '../../shared/telemetry/sum.ts';
import { AdminServer, type AdminSource, type ReloadHook } from '../admin/admin-server.ts';
import { announceAdmin } from '../admin/admin.ts';
import { makeReport, type Part } from '../admin/local-source.ts';
import { Notes } from '../admin/notes.ts';
import type { StatusReport } from '../admin/report.ts';
import type { AdminSettings } from '../admin-flags.ts';
import type { Logger } from '../logging.ts';

/** How long the workers may take to answer, ms: then what they said last is used. */
const ANSWER_MS = 1000;

/** One round of asking. */
interface Round {
  readonly number: number;
  readonly withMetrics: boolean;
  readonly missing: Set<number>;
  readonly done: Promise<void>;
  readonly end: () => void;
}

export class WorkersAdmin implements AdminSource {
  readonly notes = new Notes(() => systemClock.now());
  /** Asks the workers that serve, and says which; set by whoever has them. */
  ask: (round: number, withMetrics: boolean) => readonly number[] = () => [];
  readonly #settings: AdminSettings;
  readonly #server: AdminServer;
  readonly #process = new ProcessWatch('main');
  /** What each worker has said last. */
  readonly #parts = new Map<number, Part>();
  /** The totals of those that have ended: without them a counter would go back. */
  #past: Snapshots = { tunnels: [], listeners: [], publics: [] };
  #round: Round | undefined;
  #rounds = 0;

  constructor(settings: AdminSettings) {
    this.#settings = settings;
    this.#server = new AdminServer(settings, this, this.notes);
  }

  /** What `POST /reload` calls. */
  set reload(hook: ReloadHook) {
    this.#server.reload = hook;
  }

  /** @throws DialError when the address cannot be listened on */
  async start(log: Logger): Promise<void> {
    await announceAdmin(this.#server, this.#settings, log);
  }

  close(): void {
    this.#server.close();
  }

  /** A worker has answered. */
  take(index: number, round: number, part: Part): void {
    this.#parts.set(index, part);
    if (this.#round?.number === round) this.#answered(this.#round, index);
  }

  /** A worker has ended: its totals stay. */
  left(index: number): void {
    const part = this.#parts.get(index);
    this.#parts.delete(index);
    if (part !== undefined) {
      const totals = part.listeners.map((one) => ({ ...one, arriving: 0, slowedAddresses: 0 }));
      const reads = part.publics.map(({ listen, refused }) => ({ listen, refused, reading: 0 }));
      this.#past = {
        tunnels: sumSnapshots([...this.#past.tunnels, ...part.tunnels.map(totalsOf)]),
        listeners: sumListeners([...this.#past.listeners, ...totals]),
        publics: sumPublics([...this.#past.publics, ...reads]),
      };
    }
    if (this.#round !== undefined) this.#answered(this.#round, index);
  }

  /** Tunnels are not there any more, or are others of that name. */
  forget(names: readonly string[]): void {
    const stays = ({ tunnel }: { readonly tunnel: string }): boolean => !names.includes(tunnel);
    this.#past = { ...this.#past, tunnels: this.#past.tunnels.filter(stays) };
    for (const [index, part] of this.#parts) this.#parts.set(index, { ...part, tunnels: part.tunnels.filter(stays) });
  }

  async report(): Promise<StatusReport> {
    await this.#gather(false);
    const processes = [...this.#parts.values()].map((part) => part.process);
    return makeReport('server', processes, this.#snapshots());
  }

  async metrics(): Promise<string> {
    await this.#gather(true);
    const workers = [...this.#parts.values()].map((part) => part.metrics);
    return metricsText(this.#snapshots(), [await this.#process.metrics(), ...workers]);
  }

  #snapshots(): Snapshots {
    const all = [...this.#parts.values(), this.#past];
    return {
      tunnels: sumSnapshots(all.flatMap(({ tunnels }) => tunnels)),
      listeners: sumListeners(all.flatMap(({ listeners }) => listeners)),
      publics: sumPublics(all.flatMap(({ publics }) => publics)),
    };
  }

  /** Asks all workers; those who ask meanwhile wait for the same answers. */
  async #gather(withMetrics: boolean): Promise<void> {
    while (this.#round !== undefined) {
      const { done, withMetrics: wants } = this.#round;
      await done;
      if (wants || !withMetrics) return;
    }
    let end = (): void => {};
    const done = new Promise<void>((resolve) => (end = resolve));
    const number = ++this.#rounds;
    const missing = new Set(this.ask(number, withMetrics));
    if (missing.size === 0) return;
    this.#round = { number, withMetrics, missing, done, end };
    const timer: Timer = systemClock.setTimeout(end, ANSWER_MS);
    await done;
    systemClock.clearTimeout(timer);
    this.#round = undefined;
  }

  #answered({ missing, end }: Round, index: number): void {
    missing.delete(index);
    if (missing.size === 0) end();
  }
}
