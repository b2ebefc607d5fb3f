import * as v from 'valibot';
import { type Clock, systemClock } from '../clock.ts';
import { InvalidOptionError } from '../errors.ts';
import { callback, checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import type { GroupPicker } from './idle-list.ts';

/** Options of a {@link ConnectionPool}. All are optional. */
export interface PoolOptions {
  /** For events, errors and metrics. Default `pool`. */
  readonly name?: string;
  /** Idle connections below this number are never closed for being surplus. Default 0. */
  readonly min?: number;
  /** The most connections: idle, in use and connecting together. Default 1024. */
  readonly max?: number;
  /** Wanted idle connections at the start, from `min` to `max`. Default `min`. */
  readonly capacity?: number;
  /** The most acquires and gets that may wait at once. Default 4096. */
  readonly maxWaiting?: number;
  /** How long an acquire waits unless it says otherwise, ms. Default 5000. */
  readonly acquireTimeoutMs?: number;
  /** A connection above `capacity` that was idle for so long is closed, ms; 0 never. Default 60000. */
  readonly idleTimeoutMs?: number;
  /** A connection older than this is closed when it is idle or comes back, ms; 0 never. Default 3600000 less up to 2.5 %. */
  readonly maxLifetimeMs?: number;
  /** A raw connection that its peer has taken is closed when nobody gets it for so long, ms. Default 5000. */
  readonly claimTimeoutMs?: number;
  /** A lease out for longer is reported once, with the stack that acquired it, ms; 0 does not look. Default 0. */
  readonly leakThresholdMs?: number;
  /** Chooses the group when several have idle connections. Default: the one with the latest return. */
  readonly pickGroup?: GroupPicker;
  /** Called when the pool lacks idle connections or somebody waits: `missing` may be dialled now. */
  readonly onShortage?: (missing: number, waiting: number) => void;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Random numbers in [0, 1), for the jitter of lifetimes. */
  readonly random?: () => number;
}

/** The schema of {@link PoolOptions}; pools with more options spread its `entries` into theirs. */
export const poolOptionsSchema = v.strictObject({
  name: v.optional(v.pipe(v.string(), v.minLength(1)), 'pool'),
  min: v.optional(wholeNumber(0), 0),
  max: v.optional(wholeNumber(1), 1024),
  capacity: v.optional(wholeNumber(0)),
  maxWaiting: v.optional(wholeNumber(0), 4096),
  acquireTimeoutMs: v.optional(milliseconds(), 5000),
  idleTimeoutMs: v.optional(milliseconds(), 60_000),
  maxLifetimeMs: v.optional(milliseconds(), 3_600_000),
  claimTimeoutMs: v.optional(milliseconds(1), 5000),
  leakThresholdMs: v.optional(milliseconds(), 0),
  pickGroup: v.optional(callback<GroupPicker>()),
  onShortage: v.optional(callback<(missing: number, waiting: number) => void>()),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
  random: v.optional(callback<() => number>(), () => Math.random),
});

export type CheckedPoolOptions = Readonly<v.InferOutput<typeof poolOptionsSchema>> & { readonly capacity: number };

/** @throws InvalidOptionError naming the option */
export function checkPoolOptions(given: PoolOptions): CheckedPoolOptions {
  const options = checkOptions(poolOptionsSchema, given);
  if (options.min > options.max) throw new InvalidOptionError('min', `${options.min} is above max ${options.max}`);
  const capacity = options.capacity ?? options.min;
  if (capacity < options.min || capacity > options.max) {
    throw new InvalidOptionError('capacity', `${capacity} is not from min ${options.min} to max ${options.max}`);
  }
  return Object.freeze({ ...options, capacity });
}
