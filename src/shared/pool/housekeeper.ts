import type { Clock, Timer } from '../clock.ts';

/** The shortest and the longest time between two rounds, ms. */
const MIN_PERIOD_MS = 25;
const MAX_PERIOD_MS = 15_000;

/** Sweeps within the shortest limit. Ages count from the sweep that first sees them, so a limit is noticed up to two late. */
const LOOKS = 8;

/**
 * One timer for all that a pool does by age: a timer per connection would cost more than the connection's place in the
 * list. A limit is noticed at most a quarter of itself late.
 */
export class Housekeeper {
  readonly #clock: Clock;
  readonly #sweep: (now: number) => void;
  readonly #periodMs: number;
  #timer: Timer | undefined;

  /** @param limitsMs the ages that `sweep` looks for; zeros and infinities mean "never" and do not count */
  constructor(clock: Clock, limitsMs: readonly number[], sweep: (now: number) => void) {
    this.#clock = clock;
    this.#sweep = sweep;
    const shortest = Math.min(...limitsMs.filter((limit) => limit > 0));
    this.#periodMs = Math.min(Math.max(shortest / LOOKS, MIN_PERIOD_MS), MAX_PERIOD_MS);
  }

  /** Starts the rounds; they do not keep the process alive. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.start();
      this.#sweep(this.#clock.now());
    }, this.#periodMs);
    this.#timer.unref?.();
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
