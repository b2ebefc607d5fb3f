import { type Clock, lookLater, type Timer } from '../clock.ts';

/** Something that should move as long as it is blocked. */
export interface Watched {
  /** A number that changes whenever a byte moves; undefined while nothing waits to move. */
  readonly progress: number | undefined;
  /** Called once, when it has been blocked without a change for the whole timeout. */
  stalled(): void;
}

/** What was seen of one at the last look, and its place in the list. */
export interface Seen {
  readonly watched: Watched;
  progress: number | undefined;
  since: number;
  at: number;
}

/** How many looks fall into one timeout: a stall is noticed at most this fraction late. */
const LOOKS = 8;

/** One timer that looks after all relays: a paused socket sees neither FIN nor RST, so somebody must. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** In no order. Not in a Map, for the same reason as a tunnel's `Crowd` has. */
  readonly #watched: Seen[] = [];
  #timer: Timer | undefined;

  /** @param timeoutMs 0 never */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Returns what to {@link delete} it by; undefined where nothing is looked after. */
  add(watched: Watched): Seen | undefined {
    if (this.#timeoutMs === 0) return undefined;
    const seen: Seen = { watched, progress: undefined, since: 0, at: this.#watched.length };
    this.#watched.push(seen);
    this.#timer ??= this.#start();
    return seen;
  }

  /** Does nothing for what was deleted before. */
  delete(seen: Seen | undefined): void {
    const last = this.#watched.at(-1);
    if (seen === undefined || last === undefined || this.#watched[seen.at] !== seen) return;
    this.#watched[seen.at] = last;
    last.at = seen.at;
    this.#watched.pop();
    if (this.#watched.length > 0) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(): Timer {
    return lookLater(this.#clock, this.#timeoutMs / LOOKS, (jumped) => {
      this.#timer = this.#start();
      this.#look(jumped);
    });
  }

  /** @param jumped time has passed in which this process moved no byte: everybody's begins anew */
  #look(jumped: boolean): void {
    const now = this.#clock.now();
    for (const seen of [...this.#watched]) {
      const { progress } = seen.watched;
      if (jumped || progress === undefined || progress !== seen.progress) {
        seen.progress = progress;
        seen.since = now;
      } else if (now - seen.since >= this.#timeoutMs) {
        this.delete(seen);
        seen.watched.stalled();
      }
    }
  }
}
