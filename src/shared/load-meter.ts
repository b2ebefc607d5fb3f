/** How busy this process is: what a saturated event loop begins, it only finishes later. */
import { performance } from 'node:perf_hooks';
import type { Clock } from './clock.ts';

/** The shortest time over which a share means something, ms. */
const WINDOW_MS = 20;

/** The share of time, from 0 to 1, that the event loop has had work to do lately. */
export interface Load {
  readonly busy: number;
}

/** Node's event loop utilisation since the last window. */
export class LoadMeter implements Load {
  readonly #clock: Clock;
  #at: number;
  #before = performance.eventLoopUtilization();
  #busy = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.now();
  }

  get busy(): number {
    const now = this.#clock.now();
    if (now - this.#at < WINDOW_MS) return this.#busy;
    const before = this.#before;
    this.#at = now;
    this.#before = performance.eventLoopUtilization();
    this.#busy = performance.eventLoopUtilization(this.#before, before).utilization;
    return this.#busy;
  }
}
