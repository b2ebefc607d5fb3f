import type { PoolStats } from '../shared/pool/pool-stats.ts';

/** Connections that a server pool has turned away since it was made. Wrong tokens are `failedGreetings`. */
export interface TurnedAway {
  /** They had proved nothing yet, and a newer one needed their place or their descriptor. */
  readonly evicted: number;
  /** They took longer than `handshakeTimeoutMs`. */
  readonly late: number;
  /** `allow` does not name their address. */
  readonly address: number;
  /** The pool had all the connections that it may have. */
  readonly full: number;
  /** Their greetings waited in line, and had no turn in time. */
  readonly busy: number;
  /** The process had no descriptors left, and nobody was there to be evicted. */
  readonly descriptors: number;
}

/** The pool's own, which go on. */
export type TurnedAwayCounts = { -readonly [K in keyof TurnedAway]: number };

/** A snapshot of a listener's numbers. */
export interface ListenerStats {
  /** Connections that have proved nothing yet. */
  readonly arriving: number;
  /** Of those: greetings that wait for their turn, because their address is slowed. */
  readonly waitingGreetings: number;
  /** Greetings with a wrong, unknown or expired token since the pool was made. */
  readonly failedGreetings: number;
  /** Addresses that are slowed for too many of them: IPv4 addresses, and /64s of IPv6. */
  readonly slowedAddresses: number;
  readonly turnedAway: TurnedAway;
  /** The limits of `arriving`, in total and for one address. */
  readonly maxHandshakes: number;
  readonly maxHandshakesPerAddress: number;
}

/** A snapshot of a server pool's numbers, and of its listener's, which may be that of other pools, too. */
export interface ServerPoolStats extends PoolStats, ListenerStats {
  /** The limit of `waiting`. */
  readonly maxWaiting: number;
}
