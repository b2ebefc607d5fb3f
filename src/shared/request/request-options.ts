import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import { type Clock, systemClock } from '../clock.ts';
import { InvalidOptionError } from '../errors.ts';
import { callback, checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import type { Codec } from './codec.ts';
import type { ResourceFactory } from './resource-factory.ts';
import { type ResourceLimits, resourceLimits } from './resource-pool-options.ts';

/**
 * - `single`: one request on a connection at a time
 * - `pipeline`: many, answered in order
 * - `multiplex`: many, answered in any order; the codec knows IDs
 */
export type RequestMode = 'single' | 'pipeline' | 'multiplex';

/** One server. */
export interface RequestServer {
  /** For events, errors and statistics; each has its own. */
  readonly name: string;
  /** Makes connections to it: `socketFactory`, or what wraps one to log in. */
  readonly factory: ResourceFactory<Duplex>;
}

/** What the pool of each server keeps to; see `ResourcePoolOptions`. */
export interface RequestPoolOptions extends ResourceLimits {
  /** Connections that are kept ready. Default 0. */
  readonly min?: number | undefined;
  /** Default 60000; 0 never. */
  readonly idleTimeoutMs?: number | undefined;
  /** Default 3600000; 0 never. */
  readonly maxLifetimeMs?: number | undefined;
}

/** When a request that may be sent again is, and how often. Pauses double, and stray by a fifth either way. */
export interface RequestRetryOptions {
  /** Tries in all; 1 never tries again. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** The pause after the first failure, ms. Default 100. Another server that serves is tried without a pause. */
  readonly initialWaitMs?: number | undefined;
  /** The longest pause, ms. Default 5000. */
  readonly maxWaitMs?: number | undefined;
}

/** When a server is left alone. */
export interface RequestBreakerOptions {
  /** Failures in a row: a failed connect, a lost connection, a timeout, a transient answer. Default 5. */
  readonly maxFailures?: number | undefined;
  /** From then until one request tries it again, ms; doubles up to 30000 each time that one fails. Default 5000. */
  readonly resetTimeoutMs?: number | undefined;
}

/** Options of a `RequestClient`. */
export interface RequestClientOptions<Req, Rep> {
  readonly codec: Codec<Req, Rep>;
  /** In order: each request goes to the first that serves. */
  readonly servers: readonly RequestServer[];
  /** For events and errors. Default `requests`. */
  readonly name?: string | undefined;
  /** Default `single`. */
  readonly mode?: RequestMode | undefined;
  /** The most requests under way on a connection; not for `single`. Default 1024. */
  readonly depth?: number | undefined;
  /** Connections to each server; the next is made when the others are full. Default 8. */
  readonly maxConnections?: number | undefined;
  readonly pool?: RequestPoolOptions | undefined;
  /** The most requests that wait for room or for their next try. Default 16384. */
  readonly maxWaiting?: number | undefined;
  /** For each try, from when it is asked for, ms; 0 never. Default 5000. Noticed up to an eighth late. */
  readonly timeoutMs?: number | undefined;
  /** For all tries, ms; 0 never. Default 30000. */
  readonly totalTimeoutMs?: number | undefined;
  readonly retry?: RequestRetryOptions | undefined;
  readonly breaker?: RequestBreakerOptions | undefined;
  /** Whether a request may be done twice. Default: none may. */
  readonly idempotent?: ((request: Req) => boolean) | undefined;
  /** Time, for tests. */
  readonly clock?: Clock | undefined;
  /** Random numbers in [0, 1). */
  readonly random?: (() => number) | undefined;
}

/** What one request may have otherwise. */
export interface RequestOptions {
  readonly idempotent?: boolean | undefined;
  /** ms; 0 never. */
  readonly timeoutMs?: number | undefined;
  /** ms; 0 never. */
  readonly totalTimeoutMs?: number | undefined;
  /** Ends it with the signal's reason. What is written already may be done all the same. */
  readonly signal?: AbortSignal | undefined;
}

const server = v.strictObject({
  name: v.pipe(v.string('wants a text'), v.minLength(1, 'wants a name')),
  factory: instance<ResourceFactory<Duplex>>('a factory'),
});

const schema = v.strictObject({
  codec: instance<Codec<unknown, unknown>>('a codec'),
  servers: v.pipe(v.array(server, 'wants a list of servers'), v.minLength(1, 'wants a server')),
  name: v.optional(v.pipe(v.string('wants a text'), v.minLength(1)), 'requests'),
  mode: v.optional(v.picklist(['single', 'pipeline', 'multiplex'], 'wants single, pipeline or multiplex'), 'single'),
  depth: v.optional(wholeNumber(1)),
  maxConnections: v.optional(wholeNumber(1), 8),
  pool: v.optional(
    v.strictObject({
      ...resourceLimits,
      min: v.optional(wholeNumber(0), 0),
      idleTimeoutMs: v.optional(milliseconds(), 60_000),
      maxLifetimeMs: v.optional(milliseconds(), 3_600_000),
    }),
    {},
  ),
  maxWaiting: v.optional(wholeNumber(1), 16_384),
  timeoutMs: v.optional(milliseconds(), 5000),
  totalTimeoutMs: v.optional(milliseconds(), 30_000),
  retry: v.optional(
    v.strictObject({
      maxAttempts: v.optional(wholeNumber(1), 3),
      initialWaitMs: v.optional(milliseconds(1), 100),
      maxWaitMs: v.optional(milliseconds(1), 5000),
    }),
    {},
  ),
  breaker: v.optional(
    v.strictObject({
      maxFailures: v.optional(wholeNumber(1), 5),
      resetTimeoutMs: v.optional(milliseconds(1), 5000),
    }),
    {},
  ),
  idempotent: v.optional(callback<(request: never) => boolean>(), () => () => false),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
  random: v.optional(callback<() => number>(), () => Math.random),
});

const DEFAULT_DEPTH = 1024;

/** The options in force. */
export type CheckedRequestOptions<Req, Rep> = Readonly<Omit<v.InferOutput<typeof schema>, 'codec' | 'idempotent'>> & {
  readonly codec: Codec<Req, Rep>;
  readonly idempotent: (request: Req) => boolean;
  readonly depth: number;
};

/** @throws InvalidOptionError naming the option */
export function checkRequestOptions<Req, Rep>(given: RequestClientOptions<Req, Rep>): CheckedRequestOptions<Req, Rep> {
  const options = checkOptions(schema, given);
  const { mode, depth = mode === 'single' ? 1 : DEFAULT_DEPTH, servers, retry, maxConnections, pool } = options;
  if (mode === 'single' && depth !== 1) throw new InvalidOptionError('depth', 'is 1 in the mode single; take pipeline');
  const { codec } = given;
  if (mode === 'multiplex' && codec.replyId === undefined) {
    throw new InvalidOptionError('codec.replyId', 'is wanted by the mode multiplex');
  }
  if (mode === 'multiplex' && (codec.maxId ?? Infinity) < depth)
    throw new InvalidOptionError('depth', `${depth} is above the codec's maxId`);
  if (new Set(servers.map(({ name }) => name)).size < servers.length) {
    throw new InvalidOptionError('servers', 'two have the same name');
  }
  if (retry.initialWaitMs > retry.maxWaitMs) {
    throw new InvalidOptionError('retry.initialWaitMs', `${retry.initialWaitMs} is above maxWaitMs ${retry.maxWaitMs}`);
  }
  if (pool.min > maxConnections) {
    throw new InvalidOptionError('pool.min', `${pool.min} is above maxConnections ${maxConnections}`);
  }
  return Object.freeze({ ...options, codec, idempotent: given.idempotent ?? (() => false), depth });
}
