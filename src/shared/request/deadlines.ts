import type { Clock, Timer } from '../clock.ts';

/** Looks within the shortest time-out: one is noticed at most so much of itself late. */
const LOOKS = 8;

/** The shortest time between two looks, ms. */
const MIN_PERIOD_MS = 5;

/**
 * One timer for all that may be overdue: a timer for each request would cost more than the request. It runs while there is
 * something to look for, and does not keep the process alive.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #look: (now: number) => number;
  /** The shortest time-out that is looked for, ms. */
  #shortest = Infinity;
  #timer: Timer | undefined;

  /** @param look ends what is overdue; returns the shortest time-out of what is left, ms, or Infinity */
  constructor(clock: Clock, look: (now: number) => number) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Something with this time-out has begun, ms; Infinity is none. */
  expect(timeoutMs: number): void {
    if (timeoutMs >= this.#shortest) return;
    this.#shortest = timeoutMs;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#round(), Math.max(timeoutMs / LOOKS, MIN_PERIOD_MS));
    this.#timer.unref?.();
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #round(): void {
    // What begins during the look counts too.
    this.#shortest = Infinity;
    this.expect(this.#look(this.#clock.now()));
  }
}
