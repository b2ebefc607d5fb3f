/**
 * How many idle connections the recent demand asks for, by Little's law (Little 1961): while one dial takes `dialMs`,
 * `ratePerSecond × dialMs` acquires come, and none of them should find the pool empty.
 */
export function idleForDemand(ratePerSecond: number, dialMs: number): number {
  return Math.ceil((ratePerSecond * dialMs) / 1000);
}

/** The weight of the newest value in a {@link smoothed} one: three values ago counts for an eighth. */
const NEWEST_SHARE = 0.5;

/** An exponentially smoothed value; the first counts as it is. */
export function smoothed(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + (newest - before) * NEWEST_SHARE;
}
