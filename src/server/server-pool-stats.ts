import type { PoolStats } from '../shared/pool/pool-stats.ts';

/** A snapshot of a server pool's numbers. */
export interface ServerPoolStats extends PoolStats {
  /** Connections that have proved nothing yet. */
  readonly arriving: number;
  /** Of those: greetings that wait for their turn, because their address is slowed. */
  readonly waitingGreetings: number;
  /** Greetings with a wrong, unknown or expired token since the pool was made. */
  readonly failedGreetings: number;
  /** Addresses that are slowed for too many of them: IPv4 addresses, and /64s of IPv6. */
  readonly slowedAddresses: number;
}
