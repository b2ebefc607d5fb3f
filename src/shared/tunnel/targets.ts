/** The services behind one exit: which of them a visit goes to, how they are, and what they carry. */
import type { Clock } from '../clock.ts';
import type { DescriptorsError } from '../errors.ts';
import { type Address, formatAddress } from '../net/address.ts';
import { isShortage, Shortage } from '../net/shortage.ts';
import { makeStrategy, type Strategy } from '../policy/strategy.ts';
import { HealthCheck } from './health-check.ts';
import { checkHeader } from './target-header.ts';
import { TargetHealth } from './target-health.ts';
import type { TargetsRules } from './tunnel-options.ts';
import { type WarmConnection, WarmSockets } from './warm-sockets.ts';

/** One target's numbers, a snapshot. */
export interface TargetStats {
  /** Its address, as text. */
  readonly target: string;
  /** False while it is passed over because it fails. */
  readonly up: boolean;
  /** Visits that are there, or on their way. */
  readonly inUse: number;
  /** Visits that were sent there so far, and those among them that did not reach it. */
  readonly total: number;
  readonly failed: number;
  /** Connections that are ready for the next visits. */
  readonly warm: number;
}

/** What targets are made of. */
export interface TargetsSetup {
  /** At least one. */
  readonly addresses: readonly Address[];
  readonly rules: TargetsRules;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  /** Random numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** Who hears of targets that change. */
export interface TargetsOwner {
  onTargetDown(target: string, error: Error): void;
  onTargetUp(target: string): void;
  /** Descriptors are lacking to reach targets; told once for each shortage. */
  onShort(error: DescriptorsError): void;
}

export class Target {
  readonly address: Address;
  /** Visits that are there, or on their way. */
  inUse = 0;
  readonly #health: TargetHealth;
  readonly #check: HealthCheck | undefined;
  readonly #warm: WarmSockets | undefined;
  #total = 0;
  #failed = 0;

  constructor(address: Address, setup: TargetsSetup, owner: TargetsOwner, shortage: Shortage) {
    const { rules, connectTimeoutMs, clock, random = Math.random } = setup;
    const { check, checkIntervalMs, checkTimeoutMs, rise, fall, warm, warmIdleMs, proxy } = rules;
    const name = formatAddress(address);
    this.address = address;
    const checked = check !== 'off';
    this.#health = new TargetHealth(
      { checked, rise, fall, clock, random },
      {
        onDown: (error) => owner.onTargetDown(name, error),
        onUp: () => owner.onTargetUp(name),
        onShort: () => shortage.note(),
      },
    );
    if (checked) {
      const times = { intervalMs: checkIntervalMs, timeoutMs: checkTimeoutMs };
      const asked = { check, header: checkHeader(proxy), ...times, clock, random };
      this.#check = new HealthCheck(address, asked, this.#health);
    }
    if (warm > 0) {
      const kept = { count: warm, idleMs: warmIdleMs, connectTimeoutMs, clock, random };
      this.#warm = new WarmSockets(address, kept, this.#health);
    }
  }

  get up(): boolean {
    return this.#health.up;
  }

  /** Whether visits should go there. */
  get usable(): boolean {
    return this.#health.usable;
  }

  stats(): TargetStats {
    const { up, inUse } = this;
    const target = formatAddress(this.address);
    return { target, up, inUse, total: this.#total, failed: this.#failed, warm: this.#warm?.ready ?? 0 };
  }

  start(): void {
    this.#check?.start();
    this.#warm?.start();
  }

  stop(): void {
    this.#check?.stop();
    this.#warm?.stop();
  }

  /** A visit comes. Returns a connection that is ready, if there is one; whoever gets it listens to it at once. */
  enter(): WarmConnection | undefined {
    this.inUse += 1;
    this.#total += 1;
    this.#health.claim();
    return this.#warm?.take();
  }

  /** Its connection stands. */
  reached(): void {
    this.#health.reached();
  }

  /** It could not be connected; {@link leave} follows. */
  unreached(error: Error): void {
    if (!isShortage(error)) this.#failed += 1;
    this.#health.unreached(error);
  }

  /** The visit is over, or goes elsewhere. */
  leave(): void {
    this.inUse -= 1;
  }
}

export class Targets {
  /** The only one, where there is no choice. */
  readonly only: Target | undefined;
  readonly #all: readonly [Target, ...Target[]];
  readonly #strategy: Strategy;

  constructor(setup: TargetsSetup, owner: TargetsOwner) {
    const onShort = (error: DescriptorsError): void => owner.onShort(error);
    const shortage = new Shortage({ who: 'visits', clock: setup.clock, onShort });
    const all = setup.addresses.map((address) => new Target(address, setup, owner, shortage));
    this.#all = all as [Target, ...Target[]];
    this.only = all.length === 1 ? all[0] : undefined;
    this.#strategy = makeStrategy(setup.rules.strategy, setup.random);
  }

  /** Begins to check, and to keep connections ready. */
  start(): void {
    for (const target of this.#all) target.start();
  }

  /** Checks no more, and keeps nothing ready. */
  stop(): void {
    for (const target of this.#all) target.stop();
  }

  stats(): TargetStats[] {
    return this.#all.map((target) => target.stats());
  }

  /** Where a new visit goes. When all are down, to the first: what checks say is no reason to refuse a visitor. */
  first(): Target {
    return this.only ?? this.#strategy(this.#all) ?? this.#all[0];
  }

  /** Where a visit goes that has `tried` some in vain; undefined when those were all. */
  next(tried: ReadonlySet<Target>): Target | undefined {
    const left = this.#left(tried);
    return this.#strategy(left) ?? left[0];
  }

  /** Among how many, `target` included, a visit that goes there divides the time it has left. */
  choices(target: Target, tried: ReadonlySet<Target>): number {
    const others = this.#left(tried).filter((other) => other !== target);
    const usable = others.filter((other) => other.usable).length;
    // Those that are down have a right to some of it only when no other is left.
    return 1 + (usable > 0 || target.up ? usable : others.length);
  }

  #left(tried: ReadonlySet<Target>): Target[] {
    return this.#all.filter((target) => !tried.has(target));
  }
}
