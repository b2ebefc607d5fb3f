import type { Lease } from '../pool/lease.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { WaitOptions } from '../pool/waiter.ts';

/** What a group asks of a node's pool. `ConnectionPool`, `ClientPool` and `ServerPool` have it as they are. */
export interface NodePool<T extends PoolConnection> {
  /** Whether acquires are accepted. */
  readonly ready: boolean;
  readonly idle: number;
  readonly inUse: number;
  /** Idle, in use and under way. */
  readonly size: number;
  /** Called once, when the group starts or the node joins a started one. */
  start?(): Promise<void>;
  /** An idle connection at once, or undefined. */
  tryAcquire(): Lease<T> | undefined;
  /** An idle connection, waiting for one. A lease that is granted in spite of an abort goes back. */
  acquire(options?: WaitOptions): Promise<Lease<T>>;
  /** Refuses acquires, and resolves when nothing is left, after the grace at the latest; Infinity never is over. */
  close(options?: { graceMs?: number }): Promise<void>;
  /** Closes everything at once; a `close` that is under way resolves. */
  destroy(error?: Error): void;
}
