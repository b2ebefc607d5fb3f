/** The servers behind a balancer: which of them a request goes to, and who waits for one of them to have room. */
import type { Clock, Timer } from '../shared/clock.ts';
import type { DescriptorsError } from '../shared/errors.ts';
import { formatAddress } from '../shared/net/address.ts';
import { Shortage } from '../shared/net/shortage.ts';
import { makeStrategy, type Strategy } from '../shared/policy/strategy.ts';
import { Backend, type BackendOwner, type BackendStats } from './backend.ts';
import type { BalancerPlace, BalancerRules } from './balancer-options.ts';

/** A request that wants a server. */
export interface Seeker {
  /** Those that have failed it. */
  readonly tried: ReadonlySet<Backend>;
  /** It has one, and a place there. */
  onBackend(backend: Backend): void;
  /** It gets none: too many wait already, or it has waited for too long. */
  onRefused(reason: 'queue-full' | 'timeout'): void;
}

/** Who hears of servers that change. */
export interface BackendsOwner extends BackendOwner {
  /** Descriptors are lacking to reach servers; told once for each shortage. */
  onShort(error: DescriptorsError): void;
}

type Rules = Pick<BalancerRules, 'servers' | 'strategy' | 'backend' | 'maxWaiting' | 'waitMs'>;

export class Backends {
  readonly #owner: BackendsOwner;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #shortage: Shortage;
  /** In the order in which they came. */
  readonly #waiting = new Map<Seeker, Timer>();
  #rules: Rules;
  #strategy: Strategy;
  #all: readonly Backend[] = [];
  /** Those that are no more among them, as long as requests are there. */
  readonly #retired = new Set<Backend>();
  #running = false;
  /** Whose turn it is when all are down. */
  #turn = 0;

  constructor(rules: Rules, { clock, random }: Pick<BalancerPlace, 'clock' | 'random'>, owner: BackendsOwner) {
    this.#owner = owner;
    this.#clock = clock;
    this.#random = random;
    this.#shortage = new Shortage({ who: 'requests', clock, onShort: (error) => owner.onShort(error) });
    this.#rules = rules;
    this.#strategy = makeStrategy(rules.strategy, random);
    this.setRules(rules);
  }

  /** Requests that wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  stats(): BackendStats[] {
    return this.#all.map((backend) => backend.stats());
  }

  /** Begins to check them. */
  start(): void {
    this.#running = true;
    for (const backend of this.#all) backend.start();
  }

  /** Those that go get no more requests, and end when those that are there have ended. Those that stay notice nothing. */
  setRules(rules: Rules): void {
    const { servers, backend: each, strategy } = rules;
    const { strategy: before } = this.#rules;
    const [clock, random, shortage] = [this.#clock, this.#random, this.#shortage];
    const setup = { rules: each, clock, random, shortage };
    const left = new Set(this.#all);
    const next = servers.map((address) => {
      const same = [...left].find((backend) => backend.is(address, each));
      if (same !== undefined) left.delete(same);
      // A change of rules makes nobody well.
      const isDown = this.#all.some(({ name, up }) => !up && name === formatAddress(address));
      const backend = same ?? new Backend(address, setup, this.#owner, isDown);
      if (same === undefined && this.#running) backend.start();
      return backend;
    });
    if (strategy !== before) this.#strategy = makeStrategy(strategy, random);
    this.#rules = rules;
    this.#all = next;
    for (const backend of left) {
      backend.retire();
      if (backend.inUse > 0) this.#retired.add(backend);
    }
    this.#serve();
  }

  /** Finds a server, at once or when one has room; {@link leave} follows. */
  seek(seeker: Seeker): void {
    const backend = this.#choose(seeker.tried);
    if (backend !== undefined) this.#enter(backend, seeker);
    else if (this.#waiting.size >= this.#rules.maxWaiting) seeker.onRefused('queue-full');
    else {
      const timer = this.#clock.setTimeout(() => {
        this.#waiting.delete(seeker);
        seeker.onRefused('timeout');
      }, this.#rules.waitMs);
      this.#waiting.set(seeker, timer);
    }
  }

  /** Whether there is another one than it and those that were tried. */
  hasOther(backend: Backend, tried: ReadonlySet<Backend>): boolean {
    return this.#all.some((other) => other !== backend && !tried.has(other));
  }

  /** A request that waits wants none any more. */
  forget(seeker: Seeker): void {
    this.#clock.clearTimeout(this.#waiting.get(seeker));
    this.#waiting.delete(seeker);
  }

  /** A request's place is free. */
  leave(backend: Backend): void {
    backend.leave();
    if (backend.inUse === 0) this.#retired.delete(backend);
    if (this.#waiting.size > 0) this.#serve();
  }

  /** Breaks off everything. */
  destroy(): void {
    this.#running = false;
    for (const timer of this.#waiting.values()) this.#clock.clearTimeout(timer);
    this.#waiting.clear();
    for (const backend of [...this.#all, ...this.#retired]) backend.destroy();
  }

  #serve(): void {
    for (const [seeker, timer] of this.#waiting) {
      const backend = this.#choose(seeker.tried);
      if (backend === undefined) {
        // Who waits for some alone does not hold up those who would take any.
        if (seeker.tried.size > 0) continue;
        return;
      }
      this.#waiting.delete(seeker);
      this.#clock.clearTimeout(timer);
      this.#enter(backend, seeker);
    }
  }

  #enter(backend: Backend, seeker: Seeker): void {
    backend.enter();
    seeker.onBackend(backend);
  }

  /** One with room, whatever its checks say: in turn, or the first where that is the rule. */
  #whoever(among: readonly Backend[]): Backend | undefined {
    const able = among.filter(({ hasRoom }) => hasRoom);
    if (this.#rules.strategy === 'failover') return able[0];
    this.#turn += 1;
    return able[this.#turn % able.length];
  }

  /**
   * One that is up and has room, which has not failed the request if there is such a one; undefined while those that are up
   * are full. When none is up, any: what checks say is no reason to refuse a client.
   */
  #choose(tried: ReadonlySet<Backend>): Backend | undefined {
    const untried = tried.size === 0 ? this.#all : this.#all.filter((backend) => !tried.has(backend));
    const among = untried.length === 0 ? this.#all : untried;
    const backend = this.#strategy(among);
    if (backend !== undefined) return backend;
    if (among.some(({ up }) => up)) return undefined;
    return this.#strategy(this.#all) ?? this.#whoever(among);
  }
}
