import type { Clock, Timer } from '../clock.ts';

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
    const timer = this.#clock.setTimeout(() => this.#look(), this.#timeoutMs / LOOKS);
    timer.unref?.();
    return timer;
  }

  #look(): void {
    this.#timer = this.#start();
    const now = this.#clock.now();
    for (const [watched, seen] of [...this.#watched]) {
      const { progress } = watched;
      if (progress === undefined || progress !== seen.progress) {
        seen.progress = progress;
        seen.since = now;
      } else if (now - seen.since >= this.#timeoutMs) {
        this.delete(watched);
        watched.stalled();
      }
    }
  }
}
