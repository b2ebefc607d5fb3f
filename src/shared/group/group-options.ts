import * as v from 'valibot';
import { type Clock, systemClock } from '../clock.ts';
import { InvalidOptionError } from '../errors.ts';
import type { Address } from '../net/address.ts';
import { callback, checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import { STRATEGIES, type StrategyName } from '../policy/strategy.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import { type Breaker, type BreakerLimits, breakerLimitsSchema } from '../resilience/breaker.ts';
import { type RetryRules, retryRulesSchema } from '../resilience/retry.ts';
import type { NodeSpec } from './node.ts';
import type { NodePool } from './node-pool.ts';

/** How a group finds out which of its nodes are well. */
export interface GroupHealthOptions<P> {
  /** From one check of a node to the next, ms, less or more a tenth. Default 30000. */
  readonly intervalMs?: number;
  /** How long a check may take, ms. Default 5000. */
  readonly timeoutMs?: number;
  /** Passed checks in a row that make a node healthy. Default 1. */
  readonly rise?: number;
  /** Failed checks in a row that make it unhealthy. Default 2. */
  readonly fall?: number;
  /** Passes when it resolves. Default: a connection is there, or can be had. */
  readonly check?: (pool: P, signal: AbortSignal) => Promise<void> | void;
}

/** Options of a {@link PoolGroup}. `create` is required. */
export interface PoolGroupOptions<T extends PoolConnection, P extends NodePool<T>> {
  /**
   * Makes the pool of a node; the group starts and closes it. The breaker counts what `executeOnAny` runs; whoever sees
   * more may tell it `succeeded` and `failed`. Dials need not be told: a node without connections is passed over anyway.
   */
  readonly create: (node: NodeSpec, breaker: Breaker) => P & NodePool<T>;
  /** For events and errors. Default `group`. */
  readonly name?: string;
  /** Default `round-robin`. */
  readonly strategy?: StrategyName;
  /** The nodes at the start, in the order that `failover` prefers them. Default none. */
  readonly nodes?: readonly NodeSpec[];
  /** Default: on. False: nodes count as healthy. */
  readonly healthCheck?: false | GroupHealthOptions<P>;
  /** When a node is left alone because work on it fails. */
  readonly breaker?: BreakerLimits;
  /** How `executeOnAny` tries again, unless it is told otherwise. */
  readonly retry?: RetryRules;
  /** How long a get waits unless it says otherwise, ms. Default 5000. */
  readonly acquireTimeoutMs?: number;
  /** How many gets may wait at most. Default 4096. */
  readonly maxWaiting?: number;
  /**
   * How long the leases of a removed node may take to come back before they are destroyed, ms; Infinity: as long as they
   * like. Default 10000.
   */
  readonly drainMs?: number;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Random numbers in [0, 1). */
  readonly random?: () => number;
}

const nodeSpecSchema = v.strictObject({
  name: v.pipe(v.string('wants a text'), v.minLength(1, 'wants a name')),
  address: v.optional(instance<Address>('an address')),
});

const healthSchema = v.strictObject({
  intervalMs: v.optional(milliseconds(1), 30_000),
  timeoutMs: v.optional(milliseconds(1), 5000),
  rise: v.optional(wholeNumber(1), 1),
  fall: v.optional(wholeNumber(1), 2),
  check: v.optional(callback<(pool: never, signal: AbortSignal) => Promise<void> | void>()),
});

const schema = v.strictObject({
  create: callback<(node: NodeSpec, breaker: Breaker) => unknown>(),
  name: v.optional(v.pipe(v.string('wants a text'), v.minLength(1, 'wants a name')), 'group'),
  strategy: v.optional(v.picklist(STRATEGIES, `wants one of ${STRATEGIES.join(', ')}`), 'round-robin'),
  nodes: v.optional(v.array(nodeSpecSchema, 'wants a list of nodes'), []),
  healthCheck: v.optional(
    v.lazy((given) => (given === false ? v.literal(false) : healthSchema)),
    {},
  ),
  breaker: v.optional(breakerLimitsSchema, {}),
  retry: v.optional(retryRulesSchema, {}),
  acquireTimeoutMs: v.optional(milliseconds(), 5000),
  maxWaiting: v.optional(wholeNumber(0), 4096),
  drainMs: v.optional(
    v.lazy((given) => (given === Infinity ? v.literal(Infinity) : milliseconds())),
    10_000,
  ),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
  random: v.optional(callback<() => number>(), () => Math.random),
});

/** The options in force, defaults filled in. */
export type CheckedGroupOptions<T extends PoolConnection, P extends NodePool<T>> = ReturnType<
  typeof checkGroupOptions<T, P>
>;

/** @throws InvalidOptionError naming the option */
export function checkGroupOptions<T extends PoolConnection, P extends NodePool<T>>(given: PoolGroupOptions<T, P>) {
  const { healthCheck, ...options } = checkOptions(schema, given);
  checkNames(options.nodes);
  const check = given.healthCheck === false ? undefined : given.healthCheck?.check;
  return {
    ...options,
    create: given.create,
    health: healthCheck === false ? undefined : { ...healthCheck, check },
  };
}

/** @throws InvalidOptionError naming the option */
export function checkNodes(nodes: readonly NodeSpec[]): readonly NodeSpec[] {
  const checked = checkOptions(v.array(nodeSpecSchema, 'wants a list of nodes'), nodes, 'nodes');
  checkNames(checked);
  return checked;
}

function checkNames(nodes: readonly NodeSpec[]): void {
  const names = new Set<string>();
  for (const { name } of nodes) {
    if (names.has(name)) throw new InvalidOptionError('nodes', `"${name}" is there twice; give each node its own name`);
    names.add(name);
  }
}
