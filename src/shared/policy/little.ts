/**
 * How many idle connections the recent demand asks for, by Little's law (Little 1961): while one dial takes `dialMs`,
 * `ratePerSecond × dialMs` acquires come, and none of them should find the pool empty.
 */
export function idleForDemand(ratePerSecond: number, dialMs: number): number {
  return Math.ceil((ratePerSecond * dialMs) / 1000);
}

/**
 * How many of those who wait will still wait when a new connection could be there: while it is made, those that are in
 * use come back and serve `ratePerSecond × dialMs` of them.
 */
export function unservedByThen(waiting: number, ratePerSecond: number, dialMs: number): number {
  return Math.max(0, waiting - Math.floor((ratePerSecond * dialMs) / 1000));
}

/** The weight of the newest value in a {@link smoothed} one: three values ago counts for an eighth. */
const NEWEST_SHARE = 0.5;

/** An exponentially smoothed value; the first counts as it is. */
export function smoothed(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + (newest - before) * NEWEST_SHARE;
}

/** The weight of a value above the least one. */
const HIGHER_SHARE = 1 / 16;

/** Follows the least of recent values: at once downwards, slowly upwards. What only took long because this process was
 * busy counts little. */
export function leastLately(before: number | undefined, newest: number): number {
  return before === undefined || newest < before ? newest : before + (newest - before) * HIGHER_SHARE;
}
