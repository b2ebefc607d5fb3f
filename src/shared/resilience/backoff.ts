import { DialError, RejectedError, type RejectCode } from '../errors.ts';
import { exponentialMs } from './exponential.ts';

/** The longest first delay, ms. Each further attempt doubles it. */
const BASE_MS = 100;

/** The shortest delay, ms: even the luckiest draw leaves the other side time to breathe. */
const FLOOR_MS = 10;

/** The longest delay after a failure that may mend itself (a restart, a cut line, a busy server), ms. */
const SOON_MS = 1000;

/**
 * Such a delay is at most this share of the time that it has failed so far: who was away for a second is back within half
 * a one more. Doubling alone reaches a second's ceiling after 0.4 s.
 */
const OUTAGE_SHARE = 1 / 2;

/** The longest delay after a refusal that only a person can mend, ms. */
const LATE_MS = 30_000;

const MAX_DELAY_MS: Record<RejectCode, number> = {
  auth: LATE_MS,
  version: LATE_MS,
  tunnel: LATE_MS,
  full: LATE_MS,
  limit: LATE_MS,
  busy: SOON_MS,
};

/** What may be chosen for a {@link Backoff}; tests pass their own `random`. */
export interface BackoffOptions {
  /** The longest first delay, ms; 100 if not given. */
  readonly baseMs?: number;
  /** A number from 0 up to but not including 1; `Math.random` if not given. */
  readonly random?: () => number;
}

/**
 * Exponential backoff with full jitter: each delay is drawn evenly between 10 ms and a ceiling that
 * doubles with each attempt, so that many clients who lost the same server do not return together.
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor({ baseMs = BASE_MS, random = Math.random }: BackoffOptions = {}) {
    this.#baseMs = baseMs;
    this.#random = random;
  }

  /** How many delays were drawn since the start or the last {@link reset}. */
  get attempt(): number {
    return this.#attempt;
  }

  /**
   * Counts a failed attempt and draws the delay before the next one, whole ms: never above `maxMs`,
   * and never below 10 unless `maxMs` is.
   */
  next(maxMs: number): number {
    const ceiling = exponentialMs(this.#attempt, { firstMs: this.#baseMs, factor: 2, maxMs });
    const floor = Math.min(FLOOR_MS, ceiling);
    this.#attempt += 1;
    return Math.floor(floor + this.#random() * (ceiling - floor));
  }

  /** Starts over after a success. */
  reset(): void {
    this.#attempt = 0;
  }
}

/** Whether somebody has said no: the server, or who stands before it. Else nobody has, and a moment later may be better. */
export function isRefusal(error: unknown): boolean {
  return error instanceof RejectedError || (error instanceof DialError && error.refused);
}

/**
 * The longest delay that suits the failure, ms, for {@link Backoff.next}: 30 s after a refusal that only a person can
 * mend; after all else half of the outage, within 100 ms and 1 s.
 *
 * @param outageMs how long all attempts have failed
 */
export function maxDelayFor(error: unknown, outageMs: number): number {
  if (error instanceof RejectedError) return MAX_DELAY_MS[error.reason];
  if (isRefusal(error)) return LATE_MS;
  return Math.min(Math.max(outageMs * OUTAGE_SHARE, BASE_MS), SOON_MS);
}

/**
 * The shortest, ms: what the refuser asks for (`RejectedError.retryAfterMs`), but never more than the longest. Whoever
 * stands on the way may refuse, for it takes no token; nobody is to be silenced for an hour by that.
 */
export function minDelayFor(error: unknown): number {
  if (!(error instanceof RejectedError)) return 0;
  return Math.min(error.retryAfterMs ?? 0, MAX_DELAY_MS[error.reason]);
}
