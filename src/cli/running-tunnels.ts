/** The tunnels of a process: started together, and later changed one by one while the others go on. */
import { ConfigError, reasonOf } from '../shared/errors.ts';
import type { DatagramStats } from '../shared/tunnel/datagram-stats.ts';
import type { Tunnel } from '../shared/tunnel/tunnel.ts';
import type { Logger } from './logging.ts';
import { inWordsOf } from './option-errors.ts';
import type { Planned } from './planned.ts';
import { type Changed, diffPlans, type PlanDiff, type TunnelTraits } from './plan-diff.ts';

/** What one side does with its tunnels. */
export interface TunnelWays<P, T extends Tunnel> extends TunnelTraits<P> {
  /** Makes one, and starts nothing. @throws ConfigError naming what is wrong */
  readonly make: (name: string, planned: Planned<P>) => T;
  /** Checks all that `renew` is going to take. @throws ConfigError naming what is wrong */
  readonly check: (tunnel: T, planned: Planned<P>) => void;
  /** Settles what tunnels share: those that go have left, `kept` run, and the new ones are about to start. */
  readonly settle: (plan: ReadonlyMap<string, Planned<P>>, kept: ReadonlyMap<string, T>) => void;
  /** Gives a running tunnel the settings that it can change. */
  readonly renew: (tunnel: T, settings: P) => Promise<void>;
  /** Logs it, counts it. Returns how to stop that. */
  readonly watch: (name: string, tunnel: T) => () => void;
}

/** A tunnel that runs. */
interface Running<P, T> {
  readonly planned: Planned<P>;
  readonly tunnel: T;
  readonly unwatch: () => void;
}

/** What is going to change, all of it checked; nothing has changed yet. */
export interface Change<P, T extends Tunnel> {
  readonly diff: PlanDiff;
  readonly plan: ReadonlyMap<string, Planned<P>>;
  /** Those that are added or changed. */
  readonly made: ReadonlyMap<string, T>;
}

/** What has come of a change. */
export interface Outcome extends Changed {
  /** What could not be done, each in words; the rest of the change holds. */
  readonly failed: readonly string[];
}

interface Failure {
  readonly name: string;
  readonly error: unknown;
}

export class RunningTunnels<P, T extends Tunnel> {
  readonly #ways: TunnelWays<P, T>;
  readonly #log: Logger;
  readonly #running = new Map<string, Running<P, T>>();
  /** Those that have been replaced or removed, as long as visits of theirs are on. */
  readonly #leaving = new Set<{ readonly tunnel: T; readonly left: Promise<void> }>();
  #closed = false;

  constructor(ways: TunnelWays<P, T>, log: Logger) {
    this.#ways = ways;
    this.#log = log;
  }

  /** Those that run, by name. */
  get tunnels(): ReadonlyMap<string, T> {
    return new Map([...this.#running].map(([name, { tunnel }]) => [name, tunnel]));
  }

  /** The one of that name that runs. */
  get(name: string): T | undefined {
    return this.#running.get(name)?.tunnel;
  }

  /** The numbers of datagrams of those that carry them: of the only tunnel, or by name; undefined for none. */
  get datagrams(): DatagramStats | Readonly<Record<string, DatagramStats>> | undefined {
    const all = [...this.#running].flatMap(([name, { tunnel }]) => {
      const stats = tunnel.datagramStats();
      return stats === undefined ? [] : [[name, stats] as const];
    });
    if (this.#running.size === 1) return all[0]?.[1];
    return all.length === 0 ? undefined : Object.fromEntries(all);
  }

  /** Visits that are on. */
  get visits(): number {
    const all = [...this.#running.values(), ...this.#leaving];
    return all.reduce((sum, { tunnel }) => sum + tunnel.visits, 0);
  }

  /**
   * Compares what runs with a plan, and makes the tunnels that are new or can only be replaced.
   *
   * @throws ConfigError naming what is wrong; then nothing is made
   */
  prepare(plan: ReadonlyMap<string, Planned<P>>): Change<P, T> {
    const { make, check } = this.#ways;
    const before = new Map([...this.#running].map(([name, { planned }]) => [name, planned]));
    const diff = diffPlans(before, plan, this.#ways);
    const made = new Map<string, T>();
    try {
      for (const name of diff.kept) check(this.#get(name).tunnel, plan.get(name) as Planned<P>);
      for (const name of [...diff.added, ...diff.changed]) made.set(name, make(name, plan.get(name) as Planned<P>));
    } catch (error) {
      this.discard({ made });
      throw error;
    }
    return { diff, plan, made };
  }

  /** Forgets a change that does not come. */
  discard({ made }: Pick<Change<P, T>, 'made'>): void {
    for (const tunnel of made.values()) tunnel.destroy();
  }

  /** Starts those of a plan. @throws DialError when one cannot listen, ConfigError naming what is wrong */
  async start(plan: ReadonlyMap<string, Planned<P>>): Promise<void> {
    if (this.#closed) return;
    const [failed] = await this.#change(this.prepare(plan), 0);
    if (failed !== undefined) throw failed.error;
  }

  /**
   * Makes a change. Tunnels that go or are replaced take no visitors from now on, and leave when their visits end, or
   * after `graceMs` (with visitors' datagrams at once); those that stay notice nothing. One that cannot start is not there,
   * and is new for the next change.
   *
   * @throws ConfigError once they are to end; then nothing has changed
   */
  async commit(change: Change<P, T>, graceMs: number): Promise<Outcome> {
    if (this.#closed) {
      this.discard(change);
      throw new ConfigError('the command is ending');
    }
    const failures = await this.#change(change, graceMs);
    const done = (names: readonly string[]): string[] =>
      names.filter((name) => !failures.some((failure) => failure.name === name));
    const { added, changed, removed } = change.diff;
    const failed = failures.map(({ name, error }) => `tunnel ${name}: ${reasonOf(error)}`);
    return { added: done(added), changed: done(changed), removed, failed };
  }

  /** Returns what could not be done. */
  async #change({ diff, plan, made }: Change<P, T>, graceMs: number): Promise<Failure[]> {
    const { changed, removed, kept } = diff;
    for (const name of [...removed, ...changed]) this.#leave(name, this.#get(name), graceMs);
    this.#ways.settle(plan, new Map(kept.map((name) => [name, this.#get(name).tunnel])));
    // In the same turn: no client must hear meanwhile that its tunnel is not there.
    const starts = [...made].map(([name, tunnel]) => this.#start(name, plan.get(name) as Planned<P>, tunnel));
    const renewals = kept.map((name) => this.#renew(name, plan.get(name) as Planned<P>));
    const names = [...made.keys(), ...kept];
    const results = await Promise.allSettled([...starts, ...renewals]);
    return results.flatMap((result, at) =>
      result.status === 'rejected' ? { name: names[at] as string, error: result.reason } : [],
    );
  }

  /** Ends all of them in order, within the grace. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    const closing = [...this.#running.values()].map(({ tunnel }) => tunnel.close({ graceMs }));
    await Promise.all([...closing, ...[...this.#leaving].map(({ left }) => left)]);
  }

  /** Ends all of them now. */
  destroy(): void {
    this.#closed = true;
    for (const { tunnel } of [...this.#running.values(), ...this.#leaving]) tunnel.destroy();
  }

  #get(name: string): Running<P, T> {
    return this.#running.get(name) as Running<P, T>;
  }

  async #renew(name: string, planned: Planned<P>): Promise<void> {
    const { tunnel, unwatch } = this.#get(name);
    this.#running.set(name, { planned, tunnel, unwatch });
    await this.#ways.renew(tunnel, planned.settings);
  }

  async #start(name: string, planned: Planned<P>, tunnel: T): Promise<void> {
    const unwatch = this.#ways.watch(name, tunnel);
    this.#running.set(name, { planned, tunnel, unwatch });
    try {
      await tunnel.start();
    } catch (error) {
      unwatch();
      this.#running.delete(name);
      throw inWordsOf(planned.command, error);
    }
  }

  #leave(name: string, { planned, tunnel, unwatch }: Running<P, T>, graceMs: number): void {
    this.#running.delete(name);
    // Its numbers would stand beside those of its successor.
    unwatch();
    // Flows need the socket that their successors are to have.
    const cut = this.#ways.entranceOf(planned.settings)?.protocol === 'udp';
    const left = tunnel.close({ graceMs: cut ? 0 : graceMs }).catch((error: unknown) => {
      this.#log.error({ tunnel: name }, `the tunnel did not end in order: ${reasonOf(error)}`);
    });
    const leaving = { tunnel, left };
    this.#leaving.add(leaving);
    void left.then(() => this.#leaving.delete(leaving));
  }
}
