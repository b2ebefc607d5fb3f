import type { PoolStats } from '../pool/pool-stats.ts';
import type { BreakerState } from '../resilience/breaker.ts';

/** A snapshot of one server's numbers. */
export interface RequestServerStats {
  readonly name: string;
  readonly breaker: BreakerState;
  /** Connections with requests on them, or kept for the next ones. */
  readonly lines: number;
  /** Connections that are asked for. */
  readonly opening: number;
  /** Requests written and not answered, those that nobody waits for any more included. */
  readonly inFlight: number;
  /** Its pool's, where lines count as in use. */
  readonly pool: PoolStats;
}

/** What has become of the requests of a client. */
export interface RequestTotals {
  readonly requests: number;
  readonly answered: number;
  readonly failed: number;
  readonly aborted: number;
  /** Tries that followed others. */
  readonly retries: number;
  /** Tries that timed out. */
  readonly timeouts: number;
  /** Those of more than `maxWaiting`. */
  readonly turnedAway: number;
}

/** A snapshot of a client's numbers. */
export interface RequestStats extends RequestTotals {
  readonly name: string;
  /** Requests that wait for room. */
  readonly queued: number;
  /** Requests that wait for their next try. */
  readonly pausing: number;
  readonly servers: readonly RequestServerStats[];
}
