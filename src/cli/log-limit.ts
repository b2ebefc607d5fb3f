/** Keeps a flood out of the log: one line of a kind at once, then one for all that follow within a while. */
import type { Clock } from '../shared/clock.ts';

/** Between two lines of a kind, ms. */
const INTERVAL_MS = 5000;

/** Writes one line; `leftOut` is how many like it were not written since the line before. */
export type Say = (leftOut: number) => void;

interface Kind {
  /** The newest line that was left out. */
  last: Say | undefined;
  /** How many were left out, that one among them. */
  count: number;
}

export class LogLimit {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Clock, intervalMs = INTERVAL_MS) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /**
   * Says a line at once when it is the first of its kind for a while. Otherwise the newest of those that come is said when
   * the while is over, with the number of the others.
   *
   * @param kind one of a few words, such as an error's code: each has a timer while it is heard of
   */
  say(kind: string, line: Say): void {
    const known = this.#kinds.get(kind);
    if (known !== undefined) {
      known.last = line;
      known.count += 1;
      return;
    }
    line(0);
    this.#rest(kind);
  }

  #rest(kind: string): void {
    const state: Kind = { last: undefined, count: 0 };
    this.#kinds.set(kind, state);
    const timer = this.#clock.setTimeout(() => {
      this.#kinds.delete(kind);
      if (state.last === undefined) return;
      state.last(state.count - 1);
      this.#rest(kind);
    }, this.#intervalMs);
    timer.unref?.();
  }
}
