import * as v from 'valibot';
import { InvalidOptionError } from '../shared/errors.ts';
import { checkOptions, instance, milliseconds, wholeNumber } from '../shared/options.ts';
import { type PoolOptions, poolOptionsSchema } from '../shared/pool/pool-options.ts';
import { STRATEGIES, type StrategyName } from '../shared/policy/strategy.ts';
import type { VisitListener } from '../shared/tunnel/visit-pool.ts';
import { isName } from '../shared/wire/fields.ts';
import { MAX_WORKERS } from '../shared/wire/messages.ts';
import type { ServerListener } from './server-listener.ts';
import { listenerEntries, type ServerListenerOptions } from './server-listener-options.ts';

type CoreOptions = Pick<
  PoolOptions,
  'name' | 'maxWaiting' | 'acquireTimeoutMs' | 'claimTimeoutMs' | 'leakThresholdMs' | 'pickGroup' | 'clock' | 'random'
>;

/** Default of `maxCapacity`. */
export const DEFAULT_MAX_CAPACITY = 4096;

/** Default of `keepAliveTimeoutMs`. */
export const DEFAULT_KEEP_ALIVE_TIMEOUT_MS = 5000;

/** Options of a {@link ServerPool}. One of `listen`, `server` and `listener` is required. */
export interface ServerPoolOptions<S extends boolean = boolean> extends CoreOptions, ServerListenerOptions {
  /**
   * In place of `listen` and of all that belongs to it: a listener that other tunnels' pools may share. You start it, and you
   * close it. Only with sessions.
   */
  readonly listener?: ServerListener;
  /** Which of the `workers` processes that share the listener this is, from 0; clients keep connections to each. */
  readonly worker?: number;
  readonly workers?: number;
  /** The most pooled connections, in each process. Default 4096. */
  readonly maxCapacity?: number;
  /** How often idle connections are proved alive, ms, from 1000; also TCP keep-alive. 0 never. Default 30000. */
  readonly keepAliveMs?: number;
  /** How long a connection may take to answer when it is asked, ms. Default 5000. */
  readonly keepAliveTimeoutMs?: number;
  /** The same during a visit, where the answer stands behind the visit's bytes, ms; 0 for ever. Default 600000. */
  readonly stallTimeoutMs?: number;
  /** Which of several clients the next visitor goes to, unless `pickGroup` says. Default `least-in-use`. */
  readonly clientStrategy?: StrategyName;
  /** False: tag, then raw connections as the ancestor has them, without greeting, token or reuse. Default true. */
  readonly session?: S;
  /** Which side opens visits: `server` for a reverse tunnel, `client` for a forward one. Default `server`. */
  readonly opener?: 'server' | 'client';
  /** Serves the visits that clients open. Without it they are refused. Only with `opener: 'client'`. */
  readonly onVisit?: VisitListener;
  /** The tunnel's name, the same at both sides. Default `default`. */
  readonly tunnel?: string;
}

const { name, maxWaiting, acquireTimeoutMs, claimTimeoutMs, leakThresholdMs, pickGroup } = poolOptionsSchema.entries;

/** What a pool has, too, whosever its listener is. */
const SHARED: ReadonlySet<string> = new Set(['keepAliveMs', 'clock', 'random']);

const schema = v.strictObject({
  name: v.optional(name.wrapped, 'server'),
  maxWaiting,
  acquireTimeoutMs,
  claimTimeoutMs,
  leakThresholdMs,
  pickGroup,
  ...listenerEntries,
  listener: v.optional(instance<ServerListener>('a ServerListener')),
  worker: v.optional(wholeNumber(0, MAX_WORKERS - 1), 0),
  workers: v.optional(wholeNumber(1, MAX_WORKERS), 1),
  maxCapacity: v.optional(wholeNumber(1, 1_000_000), DEFAULT_MAX_CAPACITY),
  keepAliveTimeoutMs: v.optional(milliseconds(1), DEFAULT_KEEP_ALIVE_TIMEOUT_MS),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  clientStrategy: v.optional(v.picklist(STRATEGIES, `wants one of ${STRATEGIES.join(', ')}`), 'least-in-use'),
  session: v.optional(v.boolean('wants true or false'), true),
  tunnel: v.optional(v.custom<string>(isName, 'wants 1 to 64 of A-Z a-z 0-9 . _ -'), 'default'),
  opener: v.optional(v.picklist(['server', 'client'], 'wants server or client'), 'server'),
  onVisit: v.optional(v.custom<VisitListener>((value) => typeof value === 'function', 'wants a function')),
});

/** @throws InvalidOptionError naming the option */
export function checkServerPoolOptions(given: ServerPoolOptions) {
  const options = checkOptions(schema, given);
  const { onVisit, listener, session } = options;
  const own: Record<string, unknown> = {};
  for (const option of Object.keys(listenerEntries)) {
    const value = given[option as keyof ServerListenerOptions];
    if (value === undefined) continue;
    own[option] = value;
    if (listener === undefined || SHARED.has(option)) continue;
    throw new InvalidOptionError(option, 'has no effect beside listener, whose option it is');
  }
  if (listener !== undefined && !session) {
    throw new InvalidOptionError('session', 'raw connections belong to no tunnel, and want a pool with listen');
  }
  return { ...options, onVisit, listener, own: own as ServerListenerOptions };
}
