/** A circuit breaker: who has failed too often in a row is left alone for a while, and then tried once. */
import * as v from 'valibot';
import { type Clock, systemClock, type Timer } from '../clock.ts';
import { CircuitOpenError, InvalidOptionError } from '../errors.ts';
import { throwLater } from '../events.ts';
import { callback, checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import { exponentialMs } from './exponential.ts';
import { isRetryable } from './retryable.ts';

/**
 * - `closed`: everything is let through; failures in a row are counted
 * - `open`: nothing is, until the pause is over
 * - `half-open`: one trial is, and its end decides
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** When a breaker opens, and for how long. */
export interface BreakerLimits {
  /** Failures in a row that open it. Default 5. */
  readonly failures?: number | undefined;
  /** From opening to the trial, ms. Doubles each time a trial fails. Default 5000. */
  readonly openMs?: number | undefined;
  /** The longest such pause, ms. Default 30000, or `openMs` if that is more. */
  readonly maxOpenMs?: number | undefined;
}

/** Options of a {@link Breaker}. All are optional. */
export interface BreakerOptions extends BreakerLimits {
  /** For errors. Default `the circuit`. */
  readonly name?: string;
  /** Hears of each change, once it is made. */
  readonly onChange?: (state: BreakerState) => void;
  /** Hears that a trial has begun, or was given up: {@link Breaker.ready} has changed, and the state has not. */
  readonly onTrial?: () => void;
  /** Time, for tests. */
  readonly clock?: Clock;
}

const DEFAULT_MAX_OPEN_MS = 30_000;

/** The schema of {@link BreakerLimits}. */
export const breakerLimitsSchema = v.strictObject({
  failures: v.optional(wholeNumber(1), 5),
  openMs: v.optional(milliseconds(1), 5000),
  maxOpenMs: v.optional(milliseconds(1)),
});

const schema = v.strictObject({
  ...breakerLimitsSchema.entries,
  name: v.optional(v.string('wants a text'), 'the circuit'),
  onChange: v.optional(callback<(state: BreakerState) => void>()),
  onTrial: v.optional(callback<() => void>()),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
});

/**
 * Explicit states, changed by what is told and by one timer, which does not keep the process alive. Whoever tries
 * something asks {@link allows}, notes the {@link generation}, and tells the end with it: what began before the last
 * change says nothing about now, and is not counted.
 */
export class Breaker {
  readonly #options: v.InferOutput<typeof schema>;
  readonly #maxOpenMs: number;
  #state: BreakerState = 'closed';
  #generation = 0;
  #failures = 0;
  /** Trials that have failed since it was closed. */
  #failedTrials = 0;
  /** A trial is under way. */
  #trial = false;
  #retryAt: number | undefined;
  #timer: Timer | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: BreakerOptions = {}) {
    this.#options = checkOptions(schema, options);
    const { openMs, maxOpenMs = Math.max(openMs, DEFAULT_MAX_OPEN_MS) } = this.#options;
    if (openMs > maxOpenMs) throw new InvalidOptionError('openMs', `${openMs} is above maxOpenMs ${maxOpenMs}`);
    this.#maxOpenMs = maxOpenMs;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Grows with every change of state, and with {@link stop}. */
  get generation(): number {
    return this.#generation;
  }

  /** When it will be half-open, the clock's ms; undefined while it is not open. */
  get retryAt(): number | undefined {
    return this.#retryAt;
  }

  /** What {@link allows} would answer. Claims nothing. */
  get ready(): boolean {
    return this.#state === 'closed' || (this.#state === 'half-open' && !this.#trial);
  }

  /**
   * Whether something may be tried now. When half-open, the first who asks has the trial, and must tell how it ended:
   * {@link succeeded}, {@link failed} or {@link abandoned}. If nothing is heard for as long as the pause was, there may
   * be another trial.
   */
  allows(): boolean {
    if (!this.ready) return false;
    if (this.#state === 'half-open') {
      this.#after(this.#pauseMs, () => this.abandoned());
      this.#setTrial(true);
    }
    return true;
  }

  /** An attempt of that generation succeeded. */
  succeeded(generation = this.#generation): void {
    if (generation !== this.#generation) return;
    this.#failures = 0;
    if (this.#state === 'half-open') this.#close();
  }

  /** The other side serves, whatever the circuit says: for those who tried without asking. */
  proved(): void {
    this.#failures = 0;
    if (this.#state !== 'closed') this.#close();
  }

  /** An attempt of that generation failed. */
  failed(generation = this.#generation): void {
    if (generation !== this.#generation) return;
    if (this.#state === 'closed') {
      this.#failures += 1;
      if (this.#failures >= this.#options.failures) this.#open();
    } else if (this.#state === 'half-open') {
      this.#failedTrials += 1;
      this.#open();
    }
  }

  /** An attempt of that generation ended without saying anything about the other side: another may have its trial. */
  abandoned(generation = this.#generation): void {
    if (generation === this.#generation && this.#trial) this.#setTrial(false);
  }

  /**
   * Calls `work` if it is allowed, and counts how it ends.
   *
   * @param counts which errors are failures of the other side; after any other nothing is counted
   * @throws CircuitOpenError, or what `work` throws
   */
  async run<R>(work: () => R | Promise<R>, counts: (error: unknown) => boolean = isRetryable): Promise<R> {
    const { name, clock } = this.#options;
    if (!this.allows()) throw new CircuitOpenError(name, Math.max(0, (this.#retryAt ?? 0) - clock.now()));
    return await this.follow(this.#generation, work, counts);
  }

  /**
   * The same for an attempt of that generation that {@link allows} has let in.
   *
   * @throws what `work` throws
   */
  async follow<R>(
    generation: number,
    work: () => R | Promise<R>,
    counts: (error: unknown) => boolean = isRetryable,
  ): Promise<R> {
    try {
      const result = await work();
      this.succeeded(generation);
      return result;
    } catch (error) {
      if (counts(error)) this.failed(generation);
      else this.abandoned(generation);
      throw error;
    }
  }

  /** For whoever lets go of it: no timer is left, and no attempt that is under way is counted any more. */
  stop(): void {
    this.#options.clock.clearTimeout(this.#timer);
    this.#generation += 1;
  }

  get #pauseMs(): number {
    const growth = { firstMs: this.#options.openMs, factor: 2, maxMs: this.#maxOpenMs };
    return exponentialMs(this.#failedTrials, growth);
  }

  #open(): void {
    this.#retryAt = this.#options.clock.now() + this.#pauseMs;
    this.#after(this.#pauseMs, () => this.#enter('half-open'));
    this.#enter('open');
  }

  #close(): void {
    this.#options.clock.clearTimeout(this.#timer);
    this.#failedTrials = 0;
    this.#enter('closed');
  }

  #enter(state: BreakerState): void {
    this.#state = state;
    this.#generation += 1;
    this.#failures = 0;
    this.#trial = false;
    if (state !== 'open') this.#retryAt = undefined;
    this.#tell(() => this.#options.onChange?.(state));
  }

  #setTrial(underWay: boolean): void {
    this.#trial = underWay;
    this.#tell(() => this.#options.onTrial?.());
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      throwLater(error);
    }
  }

  #after(delayMs: number, then: () => void): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(then, delayMs);
    this.#timer.unref?.();
  }
}
