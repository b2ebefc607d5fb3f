/** One direction of a tunnel's visits under a limit: who may pass how much, and when. */
import type { Clock, Timer } from '../clock.ts';
import { bandwidthLimit, turnBytes } from '../policy/bandwidth.ts';
import { type Bucket, type RateLimit, takeTokens, tokensInMs } from '../policy/token-bucket.ts';

/** Timers know no less, ms. */
const MIN_WAIT_MS = 1;

/** Bytes that wait for their turn. */
export interface Queued {
  /** How many are left; more than 0 while it waits. */
  readonly bytes: number;
  /** So many of them may go on. */
  pass(bytes: number): void;
}

export class BandwidthGate {
  readonly bytesPerSecond: number;
  readonly #limit: RateLimit;
  readonly #turnBytes: number;
  readonly #clock: Clock;
  readonly #bucket: Bucket;
  /** In the order of their turns. */
  readonly #queue = new Set<Queued>();
  #timer: Timer | undefined;
  #busySince = 0;
  #throttledMs = 0;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.bytesPerSecond = bytesPerSecond;
    this.#limit = bandwidthLimit(bytesPerSecond);
    this.#turnBytes = turnBytes(bytesPerSecond);
    this.#clock = clock;
    this.#bucket = { tokens: this.#limit.burst, at: clock.now() };
  }

  /** For how long somebody has waited so far, ms. */
  get throttledMs(): number {
    const busyMs = this.#queue.size === 0 ? 0 : this.#clock.now() - this.#busySince;
    return this.#throttledMs + busyMs;
  }

  /** Lets bytes pass at once, or returns false: there are too many, or others wait. */
  tryPass(bytes: number): boolean {
    return this.#queue.size === 0 && takeTokens(this.#bucket, this.#clock.now(), this.#limit, bytes);
  }

  /** Stands at the end of the queue; `pass` is called, later, until nothing of it is left. */
  wait(queued: Queued): void {
    if (this.#queue.size === 0) this.#busySince = this.#clock.now();
    this.#queue.add(queued);
    this.#timer ??= this.#wakeFor(queued);
  }

  /** Waits no longer. */
  leave(queued: Queued): void {
    if (this.#queue.delete(queued) && this.#queue.size === 0) this.#rest();
  }

  #wakeFor(queued: Queued): Timer {
    const waitMs = tokensInMs(this.#bucket, this.#limit, this.#turnOf(queued));
    return this.#clock.setTimeout(() => this.#serve(), Math.max(MIN_WAIT_MS, Math.ceil(waitMs)));
  }

  #turnOf({ bytes }: Queued): number {
    return Math.min(bytes, this.#turnBytes);
  }

  /** A turn for each as long as there are tokens: whoever has more than a turn's goes to the end, and is met again. */
  #serve(): void {
    this.#timer = undefined;
    for (const queued of this.#queue) {
      const bytes = this.#turnOf(queued);
      if (!takeTokens(this.#bucket, this.#clock.now(), this.#limit, bytes)) {
        this.#timer ??= this.#wakeFor(queued);
        return;
      }
      queued.pass(bytes);
      // It may have left meanwhile.
      if (!this.#queue.delete(queued)) continue;
      if (queued.bytes > 0) this.#queue.add(queued);
      else if (this.#queue.size === 0) this.#rest();
    }
  }

  #rest(): void {
    this.#throttledMs += this.#clock.now() - this.#busySince;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
