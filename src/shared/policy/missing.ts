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
}

/**
 * How many dials to start now: as many as the idle connections fall short of the capacity, or as the
 * other side demands if that is more, less those under way, and never so many that idle, in use and
 * connecting together pass `max`.
 */
export function missingConnections({ idle, connecting, inUse, capacity, max, demand = 0 }: Shortage): number {
  const wanted = Math.max(capacity - idle, demand) - connecting;
  const room = max - (idle + inUse + connecting);
  return Math.max(Math.min(wanted, room), 0);
}
