import type { Lease } from '../pool/lease.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { WaitOptions } from '../pool/waiter.ts';
import type { RetryRules } from '../resilience/retry.ts';
import type { Grant } from './group-wait.ts';
import type { NodePool } from './node-pool.ts';

/** How `executeOnAny` gets connections, and how it tries again. */
export interface ExecuteOptions extends WaitOptions {
  /** What differs from the group's rules. `timeoutMs` is for the wait of each try. */
  readonly retry?: RetryRules | undefined;
}

/** Where `executeOnAny` runs its work. */
export interface ExecuteContext<T extends PoolConnection> {
  /** The node's name. */
  readonly node: string;
  /** May be ended by the work itself; otherwise it is given back, or destroyed. */
  readonly lease: Lease<T>;
}

/** What `executeOnAny` runs. */
export type Work<T extends PoolConnection, R> = (connection: T, context: ExecuteContext<T>) => R | Promise<R>;

/**
 * Runs the work once and ends its lease; the node's breaker hears how it went.
 *
 * @param counts which errors are failures of the node
 * @throws what the work throws
 */
export async function runOn<T extends PoolConnection, P extends NodePool<T>, R>(
  { node, lease, generation }: Grant<T, P>,
  work: Work<T, R>,
  counts: (error: unknown) => boolean,
): Promise<R> {
  const run = async (): Promise<R> => {
    try {
      return await work(lease.connection, { node: node.name, lease });
    } catch (error) {
      if (counts(error)) {
        node.failed(error);
        if (lease.held) lease.destroy();
      }
      throw error;
    } finally {
      if (lease.held) lease.release();
    }
  };
  return await (generation === undefined ? run() : node.breaker.follow(generation, run, counts));
}
