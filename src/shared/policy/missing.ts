/** A pool's numbers as the dial loop sees them, connections. */
export interface Shortage {
  readonly idle: number;
  /** Dials under way. */
  readonly connecting: number;
  readonly inUse: number;
  /** How many idle connections are wanted. */
  readonly capacity: number;
  /** How many connections there may be, whatever they do. */
  readonly max: number;
  /** How many the other side has asked for beyond the idle ones (DEMAND); 0 if it has not. */
  readonly demand?: number;
  /** What one of the server's processes lacks, whatever the others have (`unevenness`); 0 with one process. */
  readonly uneven?: number;
}

/**
 * How many dials to start now: as many as the idle connections fall short of the capacity, or as the
 * other side demands if that is more, less those under way, and never so many that idle, in use and
 * connecting together pass `max`.
 */
export function missingConnections(shortage: Shortage): number {
  const { idle, connecting, inUse, capacity, max, demand = 0, uneven = 0 } = shortage;
  const wanted = Math.max(capacity - idle, demand, uneven) - connecting;
  const room = max - (idle + inUse + connecting);
  return Math.max(Math.min(wanted, room), 0);
}
