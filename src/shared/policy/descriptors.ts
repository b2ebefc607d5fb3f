/** The share of a process's descriptors that visitors leave to what else it needs, and its bounds. */
const SPARE_SHARE = 1 / 8;
const MIN_SPARE = 8;
const MAX_SPARE = 64;

/**
 * How many of `limit` descriptors visitors leave free: for connections that the pools dial or accept, for targets, names
 * and files.
 */
export function spareForVisitors(limit: number): number {
  return Math.min(Math.max(Math.ceil(limit * SPARE_SHARE), MIN_SPARE), MAX_SPARE);
}

/** The same for pooled connections that come in: half of what visitors leave is theirs. */
export function spareForConnections(limit: number): number {
  return Math.ceil(spareForVisitors(limit) / 2);
}
