/** What the watchers of both ends have in common. */
import type { ConnectionPool } from '../pool/connection-pool.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { Levels, TunnelSnapshot } from './snapshot.ts';

/** Watches one end of a tunnel while it runs. */
export interface TunnelWatch {
  snapshot(): TunnelSnapshot;
  /** Listens no more. */
  stop(): void;
}

type WatchedPool = Pick<
  ConnectionPool<PoolConnection>,
  'idle' | 'inUse' | 'connecting' | 'capacity' | 'max' | 'interval' | 'waiting'
>;

/** Some pools together; the interval is the shortest. */
export function levelsOf(pools: readonly WatchedPool[]): Levels {
  const sum = (of: (pool: WatchedPool) => number): number => pools.reduce((total, pool) => total + of(pool), 0);
  return {
    idle: sum(({ idle }) => idle),
    inUse: sum(({ inUse }) => inUse),
    connecting: sum(({ connecting }) => connecting),
    capacity: sum(({ capacity }) => capacity),
    max: sum(({ max }) => max),
    intervalMs: pools.length === 0 ? 0 : Math.min(...pools.map(({ interval }) => interval)),
    waiting: sum(({ waiting }) => waiting),
  };
}
