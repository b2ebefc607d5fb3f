/** When to dial: the ancestor's rounds of interval and capacity, woken early by a shortage, held back by failures. */
import type { Clock, Timer } from '../shared/clock.ts';
import { RejectedError } from '../shared/errors.ts';
import type { Load } from '../shared/load-meter.ts';
import { nextCapacity, nextInterval } from '../shared/policy/adaptive.ts';
import { missingConnections } from '../shared/policy/missing.ts';
import { spareShare } from '../shared/policy/spare.ts';
import { Backoff, maxDelayFor } from '../shared/resilience/backoff.ts';

export interface DialLoopOptions {
  readonly minCapacity: number;
  readonly maxCapacity: number;
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
  /** The most dials under way. */
  readonly maxConnecting: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The pool's numbers that the loop decides by. */
export interface DialledLevel {
  readonly idle: number;
  readonly inUse: number;
  readonly connecting: number;
  readonly capacity: number;
  readonly max: number;
  readonly interval: number;
}

/** The pool as the loop sees it. */
export interface DialledPool {
  level(): DialledLevel;
  /** Sets what the rounds decide. */
  adapt(level: { readonly capacity: number; readonly interval: number }): void;
  /** Starts one dial, which counts as connecting at once; false when there is no room. */
  dial(): boolean;
}

/** What became of the backoff after a failed dial. */
export interface Retry {
  /** Failures in a row. */
  readonly attempt: number;
  /** When the next dial may start, ms from now. */
  readonly retryInMs: number;
}

export class DialLoop {
  readonly #options: DialLoopOptions;
  readonly #pool: DialledPool;
  readonly #load: Load;
  readonly #backoff: Backoff;
  #round: Timer | undefined;
  #retry: Timer | undefined;
  #running = false;
  /** No dial starts before this time, the clock's ms. */
  #blockedUntil = -Infinity;
  /** When the present row of failures was last counted: what started before then says nothing new. */
  #countedAt = -Infinity;
  #madeThisRound = 0;
  #demand = 0;

  constructor(options: DialLoopOptions, pool: DialledPool, load: Load) {
    this.#options = options;
    this.#pool = pool;
    this.#load = load;
    this.#backoff = new Backoff({ random: options.random });
  }

  start(): void {
    this.#running = true;
    this.#scheduleRound();
    this.wake();
  }

  stop(): void {
    this.#running = false;
    this.#options.clock.clearTimeout(this.#round);
    this.#options.clock.clearTimeout(this.#retry);
  }

  /** Dials what is missing, now, unless failures forbid it: called whenever the pool may be short. */
  wake(): void {
    if (!this.#running || this.#options.clock.now() < this.#blockedUntil) return;
    const level = this.#pool.level();
    const missing = missingConnections({ ...level, demand: this.#demand });
    if (missing === 0) return;
    let dials = Math.min(missing, this.#atOnce(level) - level.connecting);
    while (dials > 0 && this.#pool.dial()) dials -= 1;
  }

  /** The server wants that many more than are idle. */
  demand(count: number): void {
    this.#demand = Math.max(this.#demand, count);
    this.wake();
  }

  /** A dial has succeeded. */
  succeeded(): void {
    this.#madeThisRound += 1;
    this.#demand = Math.max(0, this.#demand - 1);
    this.#backoff.reset();
    this.#blockedUntil = -Infinity;
    this.wake();
  }

  /**
   * A dial has failed, or its connection was closed as soon as it was there. Dials that failed together count once.
   *
   * @param startedAt when the dial began, the clock's ms
   */
  failed(error: Error, startedAt: number): Retry {
    const { clock } = this.#options;
    const now = clock.now();
    if (startedAt > this.#countedAt) {
      this.#countedAt = now;
      const atLeastMs = error instanceof RejectedError ? (error.retryAfterMs ?? 0) : 0;
      const delayMs = Math.max(this.#backoff.next(maxDelayFor(error)), atLeastMs);
      this.#blockedUntil = now + delayMs;
      clock.clearTimeout(this.#retry);
      if (this.#running) this.#retry = clock.setTimeout(this.#tryAgain, delayMs);
    }
    return { attempt: this.#backoff.attempt, retryInMs: Math.max(0, this.#blockedUntil - now) };
  }

  /** How many dials may be under way. */
  #atOnce({ inUse }: DialledLevel): number {
    // After a failure one dial tries the way for all.
    if (this.#backoff.attempt > 0) return 1;
    const { maxConnecting } = this.#options;
    // With nobody in a visit there is no better use for the time.
    return inUse === 0 ? maxConnecting : spareShare(maxConnecting, this.#load.busy);
  }

  readonly #tryAgain = (): void => {
    // Timers may fire a moment before their time by the clock.
    this.#blockedUntil = -Infinity;
    this.wake();
  };

  #scheduleRound(): void {
    this.#round = this.#options.clock.setTimeout(() => {
      this.#adapt();
      this.#scheduleRound();
      this.wake();
    }, this.#pool.level().interval);
  }

  #adapt(): void {
    const { idle, capacity, interval } = this.#pool.level();
    this.#pool.adapt({
      interval: nextInterval({ idle, capacity, interval }, this.#options),
      capacity: nextCapacity({ created: this.#madeThisRound, capacity }, this.#options),
    });
    this.#madeThisRound = 0;
    // A demand that still stands is made again within the round.
    this.#demand = 0;
  }
}
