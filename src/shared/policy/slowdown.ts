/** How wrong greetings slow an address down. */

/** So many cost nothing: whoever restarts with an old token, or mistypes one, harms none of its neighbours. */
const FREE_FAILURES = 5;

/** One failure is forgiven in so long, ms. */
const FORGIVE_MS = 10_000;

/** No more are counted, so that an address is quick again (30 − 5) × 10 s after its last failure at the latest. */
const MAX_FAILURES = 30;

/** Between two judgements at a slowed address, ms: ten guesses a second instead of a thousand. */
const PAUSE_MS = 100;

/** What is left of the failures of an address when `passedMs` have gone since they were counted. */
export function failuresLeft(failures: number, passedMs: number): number {
  return Math.max(0, failures - passedMs / FORGIVE_MS);
}

/** The failures after one more. */
export function failedAgain(failures: number): number {
  return Math.min(failures + 1, MAX_FAILURES);
}

/** How long an address with so many failures waits between two judgements, ms; 0 while it is not slowed. */
export function pauseAfter(failures: number): number {
  return failures < FREE_FAILURES ? 0 : PAUSE_MS;
}
