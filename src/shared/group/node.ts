import type { Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type Address, formatAddress } from '../net/address.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { Breaker, BreakerState } from '../resilience/breaker.ts';
import type { NodeCheck } from './health.ts';
import type { NodePool } from './node-pool.ts';

/** A node as the caller names it. */
export interface NodeSpec {
  /** Tells it from the others of its group. */
  readonly name: string;
  /** Where it is, for `create`. A node of the same name with another address is another node. */
  readonly address?: Address | undefined;
}

/** `ready` → `draining` (hands out nothing, waits for its leases) → gone. */
export type NodeState = 'ready' | 'draining';

/** A snapshot of one node. */
export interface NodeStats extends NodeSpec {
  readonly state: NodeState;
  /** What its health checks say. */
  readonly healthy: boolean;
  readonly breaker: BreakerState;
  readonly idle: number;
  readonly inUse: number;
  readonly size: number;
  /** Leases that the group has had of it. */
  readonly acquired: number;
  /** Failed starts and waits, and work of `executeOnAny` that failed with a retryable error. */
  readonly failures: number;
  /** The last of these, or what its health check failed with. */
  readonly lastError: string | undefined;
}

/** Whether two specs mean the same node. */
export function sameNode(one: NodeSpec, other: NodeSpec): boolean {
  const [here, there] = [one, other].map(({ address }) => (address === undefined ? '' : formatAddress(address)));
  return one.name === other.name && here === there;
}

/** One member of a group: its pool, and what the group knows of it. */
export class GroupNode<T extends PoolConnection, P extends NodePool<T>> {
  readonly spec: NodeSpec;
  readonly pool: P;
  readonly breaker: Breaker;
  readonly #clock: Clock;
  check: NodeCheck | undefined;
  state: NodeState = 'ready';
  healthy = true;
  /** For the strategy: may be chosen this time. */
  usable = false;
  acquired = 0;
  #gone: Promise<void> | undefined;
  #failures = 0;
  #lastError: unknown;

  constructor(spec: NodeSpec, pool: P, breaker: Breaker, clock: Clock) {
    this.spec = spec;
    this.pool = pool;
    this.breaker = breaker;
    this.#clock = clock;
  }

  get name(): string {
    return this.spec.name;
  }

  get inUse(): number {
    return this.pool.inUse;
  }

  /** Whether nothing speaks against it. */
  get fit(): boolean {
    return this.healthy && this.breaker.ready && this.pool.ready;
  }

  /** Begins an attempt that its breaker hears of: the generation, or undefined when the breaker does not want it. */
  claim(): number | undefined {
    return this.breaker.allows() ? this.breaker.generation : undefined;
  }

  /** An attempt of that generation was given up. */
  abandon(generation: number | undefined): void {
    if (generation !== undefined) this.breaker.abandoned(generation);
  }

  failed(error: unknown): void {
    this.#failures += 1;
    this.remember(error);
  }

  /** For the stats; a health check's failure is not counted. */
  remember(error: unknown): void {
    this.#lastError = error;
  }

  /** @throws what its pool's start throws */
  async start(): Promise<void> {
    if (this.state === 'ready') this.check?.start();
    await this.pool.start?.();
  }

  /** Closes its pool within the grace. A further call can only shorten it. */
  close(graceMs: number): Promise<void> {
    if (this.#gone === undefined) {
      this.state = 'draining';
      this.check?.stop();
      this.breaker.stop();
      this.#gone = this.#close(graceMs);
    } else if (graceMs !== Infinity) {
      const timer = this.#clock.setTimeout(() => this.pool.destroy(), graceMs);
      void this.#gone.finally(() => this.#clock.clearTimeout(timer));
    }
    return this.#gone;
  }

  /** Resolves when it is gone; at once when it does not drain. */
  whenGone(): Promise<void> {
    return this.#gone ?? Promise.resolve();
  }

  stats(): NodeStats {
    const { name, state, healthy, acquired } = this;
    const { idle, inUse, size } = this.pool;
    const lastError = this.#lastError === undefined ? undefined : reasonOf(this.#lastError);
    const facts = { name, address: this.spec.address, state, healthy, breaker: this.breaker.state };
    return { ...facts, idle, inUse, size, acquired, failures: this.#failures, lastError };
  }

  async #close(graceMs: number): Promise<void> {
    try {
      await this.pool.close({ graceMs });
    } catch (error) {
      // It is to be gone all the same.
      this.pool.destroy(error instanceof Error ? error : undefined);
    }
  }
}
