/** Keeps a flood out of the log: a few lines of a kind at once, then one for all that follow within a while. */
import { type Clock, systemClock } from '../shared/clock.ts';
import type { Logger } from './logging.ts';

/** Between two lines of a kind, ms. */
const INTERVAL_MS = 5000;

/** Writes one line; `leftOut` is how many like it were not written since the line before. */
export type Say = (leftOut: number) => void;

/** Writes a line that peers or visitors can bring about as often as they like; `kind` as for {@link LogLimit.say}. */
export type Limited = (level: 'info' | 'warn' | 'error', kind: string, fields: object, text: string) => void;

/** Writes into `log`, and `leftOut` into the fields. @param burst lines of a kind that are written at once */
export function limited(log: Logger, burst = 1, clock: Clock = systemClock): Limited {
  const limit = new LogLimit(clock, { burst });
  return (level, kind, fields, text) => {
    limit.say(kind, (leftOut) => log[level](leftOut === 0 ? fields : { ...fields, leftOut }, text));
  };
}

interface Kind {
  /** How many more are written at once. */
  room: number;
  /** The newest line that was left out. */
  last: Say | undefined;
  /** How many were left out, that one among them. */
  count: number;
}

export class LogLimit {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #burst: number;
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Clock, { intervalMs = INTERVAL_MS, burst = 1 } = {}) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#burst = burst;
  }

  /**
   * Says a line at once when it is one of the first `burst` of its kind for a while. Otherwise the newest of those that
   * come is said when the while is over, with the number of the others; as long as that goes on, it is one line each time.
   *
   * @param kind one of a few words, such as an error's code: each has a timer while it is heard of
   */
  say(kind: string, line: Say): void {
    const known = this.#kinds.get(kind);
    if (known === undefined) {
      line(0);
      this.#rest(kind, this.#burst - 1);
    } else if (known.room > 0) {
      known.room -= 1;
      line(0);
    } else {
      known.last = line;
      known.count += 1;
    }
  }

  #rest(kind: string, room: number): void {
    const state: Kind = { room, last: undefined, count: 0 };
    this.#kinds.set(kind, state);
    const timer = this.#clock.setTimeout(() => {
      this.#kinds.delete(kind);
      if (state.last === undefined) return;
      state.last(state.count - 1);
      this.#rest(kind, 0);
    }, this.#intervalMs);
    timer.unref?.();
  }
}
