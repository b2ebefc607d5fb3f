import * as v from 'valibot';
import { checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import type { PoolOptions } from '../pool/pool-options.ts';
import type { ResourceFactory } from './resource-factory.ts';

/** What a {@link ResourcePool} adds to the core's options, the factory aside. */
export interface ResourceLimits {
  /** A resource that was idle for longer is tested when it is handed out, ms; 0 always. Default 500. */
  readonly validateAfterMs?: number | undefined;
  /** The most that are being made at once. Default 8. */
  readonly maxCreating?: number | undefined;
  /** How long a `create` or a `validate` may take, ms. Default 10000. */
  readonly createTimeoutMs?: number | undefined;
}

/**
 * Options of a {@link ResourcePool}: those of the core, of which `min` is how many are kept idle, `max` how many there are at
 * most, and `maxWaiting: 0` makes an acquire beyond that fail at once with a QueueFullError.
 */
export interface ResourcePoolOptions<R>
  extends Omit<PoolOptions, 'claimTimeoutMs' | 'onShortage' | 'pickGroup'>,
    ResourceLimits {
  readonly factory: ResourceFactory<R>;
}

/** The entries of a schema of {@link ResourceLimits}. */
export const resourceLimits = {
  validateAfterMs: v.optional(milliseconds(), 500),
  maxCreating: v.optional(wholeNumber(1), 8),
  createTimeoutMs: v.optional(milliseconds(1), 10_000),
};

const schema = v.strictObject({
  ...resourceLimits,
  maxWaiting: v.optional(wholeNumber(0), 4096),
  factory: instance<object>('a factory'),
});

/** Those of a pool's options that the core does not check. */
export interface CheckedResourceOptions<R> extends v.InferOutput<typeof schema> {
  readonly factory: ResourceFactory<R>;
}

/**
 * Parts the core's options from ours, and checks ours.
 *
 * @throws InvalidOptionError naming the option
 */
export function checkResourceOptions<R>(given: ResourcePoolOptions<R>) {
  const { factory, validateAfterMs, maxCreating, createTimeoutMs, maxWaiting, ...core } = given;
  const own = checkOptions(schema, { factory, validateAfterMs, maxCreating, createTimeoutMs, maxWaiting });
  // For the core, who waits for a resource that is being made waits, too.
  return { core: { ...core, maxWaiting: Number.MAX_SAFE_INTEGER }, own: own as CheckedResourceOptions<R> };
}
