/** Tries again what may go well the next time. */
import * as v from 'valibot';
import { offAbort, onAbort } from '../abort.ts';
import { type Clock, systemClock, type Timer } from '../clock.ts';
import { InvalidOptionError } from '../errors.ts';
import { callback, checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import { exponentialMs } from './exponential.ts';
import { isRetryable } from './retryable.ts';

/** How often, how soon, and after which errors. */
export interface RetryRules {
  /** How often in all, the first time included. Default 3. */
  readonly tries?: number | undefined;
  /** The pause after the first failure, ms. Default 100. */
  readonly initialMs?: number | undefined;
  /** The longest pause, ms. Default 5000, or `initialMs` if that is more. */
  readonly maxMs?: number | undefined;
  /** What each further failure multiplies the pause by. Default 2. */
  readonly factor?: number | undefined;
  /** How far a pause strays from its length, either way, as a share of it: those who failed together come back apart. Default 0.2. */
  readonly jitter?: number | undefined;
  /** Which errors may be tried again. Default {@link isRetryable}. */
  readonly retryable?: ((error: unknown) => boolean) | undefined;
}

/** Options of {@link retry}. All are optional. */
export interface RetryOptions extends RetryRules {
  /** Ends the pauses, and the tries; what is being tried has to listen by itself. */
  readonly signal?: AbortSignal | undefined;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Random numbers in [0, 1), for the jitter. */
  readonly random?: () => number;
}

const DEFAULT_MAX_MS = 5000;

const number = (least: number, most: number) => {
  const problem = `wants a number from ${least} to ${most}`;
  return v.pipe(v.number(problem), v.minValue(least, problem), v.maxValue(most, problem));
};

/** The schema of {@link RetryRules}. */
export const retryRulesSchema = v.strictObject({
  tries: v.optional(wholeNumber(1), 3),
  initialMs: v.optional(milliseconds(1), 100),
  maxMs: v.optional(milliseconds(1)),
  factor: v.optional(number(1, 100), 2),
  jitter: v.optional(number(0, 1), 0.2),
  retryable: v.optional(callback<(error: unknown) => boolean>(), () => isRetryable),
});

const schema = v.strictObject({
  ...retryRulesSchema.entries,
  signal: v.optional(instance<AbortSignal>('an AbortSignal')),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
  random: v.optional(callback<() => number>(), () => Math.random),
});

/**
 * Calls `work` until it succeeds, as often as the rules have it, with growing pauses between.
 *
 * @param work gets the number of the try, from 1
 * @throws InvalidOptionError naming the option, the last error of `work`, or the signal's reason
 */
export async function retry<R>(work: (attempt: number) => R | Promise<R>, options: RetryOptions = {}): Promise<R> {
  const { tries, initialMs, factor, jitter, retryable, signal, clock, random, ...given } = checkOptions(
    schema,
    options,
  );
  const { maxMs = Math.max(initialMs, DEFAULT_MAX_MS) } = given;
  if (initialMs > maxMs) throw new InvalidOptionError('initialMs', `${initialMs} is above maxMs ${maxMs}`);
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= tries || signal?.aborted === true || !retryable(error)) throw error;
    }
    const lengthMs = exponentialMs(attempt - 1, { firstMs: initialMs, factor, maxMs });
    await pause(Math.min(maxMs, lengthMs * (1 + jitter * (2 * random() - 1))), clock, signal);
  }
}

/** @throws the signal's reason */
function pause(ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer: Timer = clock.setTimeout(() => {
      if (signal !== undefined) offAbort(signal, aborted);
      resolve();
    }, ms);
    const aborted = (): void => {
      clock.clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    if (signal !== undefined) onAbort(signal, aborted);
  });
}
