import { type Clock, lookLater, type Timer } from '../clock.ts';

/** Something that should move as long as it is blocked. */
export interface Watched {
  /** A number that changes whenever a byte moves; undefined while nothing waits to move. */
  readonly progress: number | undefined;
  /** Called once, when it has been blocked without a change for the whole timeout. */
  stalled(): void;
}

/** How many looks fall into one timeout: a stall is noticed at most this fraction late. */
const LOOKS = 8;

/** One timer that looks after all relays: a paused socket sees neither FIN nor RST, so somebody must. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #watched = new Map<Watched, { progress: number | undefined; since: number }>();
  #timer: Timer | undefined;

  /** @param timeoutMs 0 never */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  add(watched: Watched): void {
    if (this.#timeoutMs === 0) return;
    this.#watched.set(watched, { progress: undefined, since: 0 });
    this.#timer ??= this.#start();
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
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
    for (const [watched, seen] of [...this.#watched]) {
      const { progress } = watched;
      if (jumped || progress === undefined || progress !== seen.progress) {
        seen.progress = progress;
        seen.since = now;
      } else if (now - seen.since >= this.#timeoutMs) {
        this.delete(watched);
        watched.stalled();
      }
    }
  }
}
