/** When to dial: the ancestor's rounds of interval and capacity, woken early by a shortage, held back by failures. */
import type { Clock, Timer } from '../shared/clock.ts';
import type { Load } from '../shared/load-meter.ts';
import { isShortage } from '../shared/net/shortage.ts';
import { nextCapacity, nextInterval } from '../shared/policy/adaptive.ts';
import { idleForDemand, leastLately, smoothed } from '../shared/policy/little.ts';
import { missingConnections } from '../shared/policy/missing.ts';
import { spareShare } from '../shared/policy/spare.ts';
import { Backoff, isRefusal, maxDelayFor, minDelayFor } from '../shared/resilience/backoff.ts';

/** A connection that the server closes sooner than this counts as a failed dial, ms (docs/protocol.md). */
export const SHORT_LIFE_MS = 1000;

export interface DialLoopOptions {
  readonly minCapacity: number;
  readonly maxCapacity: number;
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
  /** The most dials under way. */
  readonly maxConnecting: number;
  /** Hears of each failure that counts; returns what has to pass before the next dial, ms. For a circuit breaker. */
  readonly onFailure?: (() => number) | undefined;
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
  /** Connections handed out so far. */
  readonly acquired: number;
}

/** The pool as the loop sees it. */
export interface DialledPool {
  level(): DialledLevel;
  /** What one of the server's processes lacks, whatever the others have (`unevenness`). */
  uneven(): number;
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

/** Failures of one kind in a row. */
interface Row {
  readonly backoff: Backoff;
  /** When the first of them was counted, the clock's ms. */
  since: number;
  /** When it was last counted, the clock's ms: what started before then says nothing new. */
  countedAt: number;
}

function newRow(options: DialLoopOptions): Row {
  return { backoff: new Backoff(options), since: 0, countedAt: -Infinity };
}

export class DialLoop {
  readonly #options: DialLoopOptions;
  readonly #pool: DialledPool;
  readonly #load: Load;
  /** Apart, because a refusal may wait far longer: an outage before the first one does not count for it. */
  readonly #failures: Row;
  readonly #refusals: Row;
  readonly #shortLives: Row;
  #round: Timer | undefined;
  #retry: Timer | undefined;
  /** Runs after a row of short lives while the next connection proves that it lives longer. */
  #proof: Timer | undefined;
  #running = false;
  /** No dial starts before these times, the clock's ms: the loop's own backoff, and what a circuit breaker wants. */
  #blockedUntil = -Infinity;
  #heldUntil = -Infinity;
  #madeThisRound = 0;
  /** What the recent demand is judged by: when the round began, what had been acquired then, and the smoothed figures. */
  #roundAt = 0;
  #acquiredBefore = 0;
  #ratePerSecond: number | undefined;
  #dialMs: number | undefined;
  #demand = 0;

  constructor(options: DialLoopOptions, pool: DialledPool, load: Load) {
    this.#options = options;
    this.#pool = pool;
    this.#load = load;
    this.#failures = newRow(options);
    this.#refusals = newRow(options);
    this.#shortLives = newRow(options);
  }

  start(): void {
    this.#running = true;
    this.#roundAt = this.#options.clock.now();
    this.#scheduleRound();
    this.wake();
  }

  stop(): void {
    this.#running = false;
    this.#options.clock.clearTimeout(this.#round);
    this.#options.clock.clearTimeout(this.#retry);
    this.#options.clock.clearTimeout(this.#proof);
  }

  /** Dials what is missing, now, unless failures forbid it: called whenever the pool may be short. */
  wake(): void {
    this.#dialFor(0);
  }

  /** @param uneven what one of the server's processes lacks: dialled for once a round, for it may be just starting */
  #dialFor(uneven: number): void {
    if (!this.#running || this.#options.clock.now() < this.#pausedUntil) return;
    const level = this.#pool.level();
    const missing = missingConnections({ ...level, demand: this.#demand, uneven });
    if (missing === 0) return;
    let dials = Math.min(missing, this.#atOnce(level) - level.connecting);
    while (dials > 0 && this.#pool.dial()) dials -= 1;
  }

  /** Dials as soon as the loop's own backoff lets it, whatever a breaker wants: there is nobody else to turn to. */
  hurry(): void {
    this.#heldUntil = -Infinity;
    this.#retryLater();
  }

  /** Dials now, as if nothing had failed so far: what the failures were about has changed. */
  forgive(): void {
    for (const { backoff } of [this.#failures, this.#refusals, this.#shortLives]) backoff.reset();
    this.#options.clock.clearTimeout(this.#retry);
    this.#tryAgain();
  }

  /** The server wants that many more than are idle. */
  demand(count: number): void {
    this.#demand = Math.max(this.#demand, count);
    this.wake();
  }

  /** A dial has succeeded. After a row of short lives its connection has yet to live long enough. */
  succeeded(dialMs: number): void {
    this.#madeThisRound += 1;
    this.#dialMs = leastLately(this.#dialMs, dialMs);
    this.#demand = Math.max(0, this.#demand - 1);
    this.#failures.backoff.reset();
    this.#refusals.backoff.reset();
    this.#heldUntil = -Infinity;
    if (this.#shortLives.backoff.attempt === 0) this.#blockedUntil = -Infinity;
    else this.#proof ??= this.#options.clock.setTimeout(this.#proved, SHORT_LIFE_MS);
    this.wake();
  }

  /**
   * A dial has failed. Dials that failed together count once.
   *
   * @param startedAt when the dial began, the clock's ms
   */
  failed(error: Error, startedAt: number): Retry {
    const row = isRefusal(error) ? this.#refusals : this.#failures;
    return this.#count(row, error, startedAt);
  }

  /** The same for a dial that succeeded, and whose connection the server closed within {@link SHORT_LIFE_MS}. */
  diedYoung(error: Error, startedAt: number): Retry {
    this.#options.clock.clearTimeout(this.#proof);
    this.#proof = undefined;
    return this.#count(this.#shortLives, error, startedAt);
  }

  get #troubled(): boolean {
    return this.#failures.backoff.attempt + this.#refusals.backoff.attempt + this.#shortLives.backoff.attempt > 0;
  }

  #count(row: Row, error: Error, startedAt: number): Retry {
    const { clock } = this.#options;
    const now = clock.now();
    if (startedAt > row.countedAt) {
      if (row.backoff.attempt === 0) row.since = now;
      row.countedAt = now;
      // What this machine lacks says nothing about the server.
      const heldMs = isShortage(error) ? 0 : (this.#options.onFailure?.() ?? 0);
      // Each short life has cost both sides a handshake: only doubling slows those down soon enough.
      const outageMs = row === this.#shortLives ? Infinity : now - row.since;
      const delayMs = Math.max(row.backoff.next(maxDelayFor(error, outageMs)), minDelayFor(error));
      this.#blockedUntil = Math.max(this.#blockedUntil, now + delayMs);
      this.#heldUntil = Math.max(this.#heldUntil, now + heldMs);
      this.#retryLater();
    }
    return { attempt: row.backoff.attempt, retryInMs: Math.max(0, this.#pausedUntil - now) };
  }

  get #pausedUntil(): number {
    return Math.max(this.#blockedUntil, this.#heldUntil);
  }

  /** Tries again when the pause is over; now if it is. */
  #retryLater(): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#retry);
    const pauseMs = this.#pausedUntil - clock.now();
    if (pauseMs <= 0) this.#tryAgain();
    else if (this.#running) this.#retry = clock.setTimeout(this.#tryAgain, pauseMs);
  }

  /** How many dials may be under way. */
  #atOnce({ inUse }: DialledLevel): number {
    // After a failure one dial tries the way for all.
    if (this.#troubled) return 1;
    const { maxConnecting } = this.#options;
    // With nobody in a visit there is no better use for the time.
    return inUse === 0 ? maxConnecting : spareShare(maxConnecting, this.#load.busy);
  }

  readonly #proved = (): void => {
    this.#proof = undefined;
    this.#shortLives.backoff.reset();
    this.wake();
  };

  readonly #tryAgain = (): void => {
    // Timers may fire a moment before their time by the clock.
    this.#blockedUntil = -Infinity;
    this.#heldUntil = -Infinity;
    this.wake();
  };

  /** What this round's acquires ask for; {@link nextCapacity} lets go of it again, one a round. */
  #wantedIdle(acquired: number): number {
    const now = this.#options.clock.now();
    const rate = ((acquired - this.#acquiredBefore) / Math.max(1, now - this.#roundAt)) * 1000;
    this.#ratePerSecond = smoothed(this.#ratePerSecond, rate);
    this.#acquiredBefore = acquired;
    this.#roundAt = now;
    return idleForDemand(this.#ratePerSecond, this.#dialMs ?? 0);
  }

  #scheduleRound(): void {
    this.#round = this.#options.clock.setTimeout(() => {
      this.#adapt();
      this.#scheduleRound();
      this.#dialFor(this.#pool.uneven());
    }, this.#pool.level().interval);
  }

  #adapt(): void {
    const { idle, capacity, interval, acquired } = this.#pool.level();
    const next = nextCapacity({ created: this.#madeThisRound, capacity }, this.#options);
    this.#pool.adapt({
      interval: nextInterval({ idle, capacity, interval }, this.#options),
      capacity: Math.min(Math.max(next, this.#wantedIdle(acquired)), this.#options.maxCapacity),
    });
    this.#madeThisRound = 0;
    // A demand that still stands is made again within the round.
    this.#demand = 0;
  }
}
