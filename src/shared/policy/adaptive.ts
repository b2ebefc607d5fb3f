/**
 * How a client pool adapts to its load, as pure functions of numbers. The rule and its constants are
 * those of the NodePass pool: judged once a round, one step at a time, always within the bounds.
 */

/** Below this share of what was wanted, the pool is at rest or drained (NodePass pool). */
const LOW_SHARE = 0.2;

/** Above this share of what was wanted, the pool is full or under load (NodePass pool). */
const HIGH_SHARE = 0.8;

/** How much one round changes the interval, ms (NodePass pool). */
const INTERVAL_STEP_MS = 100;

/** How much one round changes the capacity, connections (NodePass pool). */
const CAPACITY_STEP = 1;

/** The bounds of the dial interval, ms. */
export interface IntervalBounds {
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
}

/** The bounds of the capacity, connections. */
export interface CapacityBounds {
  readonly minCapacity: number;
  readonly maxCapacity: number;
}

/**
 * The next dial interval, ms: 100 ms shorter when fewer than 20 % of the wanted connections are idle,
 * 100 ms longer when more than 80 % are, else unchanged; never outside the bounds.
 */
export function nextInterval(
  { idle, capacity, interval }: { readonly idle: number; readonly capacity: number; readonly interval: number },
  { minIntervalMs, maxIntervalMs }: IntervalBounds,
): number {
  return clamp(interval + direction(idle, capacity) * INTERVAL_STEP_MS, minIntervalMs, maxIntervalMs);
}

/**
 * The next capacity: one less when this round made fewer than 20 % of it, one more when it made over
 * 80 %, else unchanged; never outside the bounds.
 */
export function nextCapacity(
  { created, capacity }: { readonly created: number; readonly capacity: number },
  { minCapacity, maxCapacity }: CapacityBounds,
): number {
  return clamp(capacity + direction(created, capacity) * CAPACITY_STEP, minCapacity, maxCapacity);
}

/** −1 below the low share of `whole`, 1 above the high one, else 0 (also for nothing of nothing). */
function direction(part: number, whole: number): -1 | 0 | 1 {
  // Divided, not multiplied: 7 / 35 is exactly the number 0.2, while 35 * 0.2 is above 7.
  const share = part / whole;
  if (share < LOW_SHARE) {
    return -1;
  }
  return share > HIGH_SHARE ? 1 : 0;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
