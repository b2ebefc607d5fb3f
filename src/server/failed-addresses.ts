import { failedAgain, failuresLeft, pauseAfter } from '../shared/policy/slowdown.ts';

/** Addresses that are remembered: whoever has more of them than this is not slowed by any table. */
const MAX_ADDRESSES = 4096;

interface Failures {
  /** At the time `countedAt`, the clock's ms. */
  readonly count: number;
  readonly countedAt: number;
}

/** Where wrong greetings came from lately. Bounded: the address that has failed least recently is forgotten first. */
export class FailedAddresses {
  readonly #max: number;
  readonly #failures = new Map<string, Failures>();

  constructor(max = MAX_ADDRESSES) {
    this.#max = max;
  }

  /** Counts a wrong greeting. @param now the clock's time, ms */
  add(address: string, now: number): void {
    const count = failedAgain(this.#left(address, now));
    // Back in at the end: a map keeps the order in which its keys came.
    this.#failures.delete(address);
    this.#failures.set(address, { count, countedAt: now });
    if (this.#failures.size <= this.#max) return;
    const [oldest] = this.#failures.keys();
    if (oldest !== undefined) this.#failures.delete(oldest);
  }

  /** The pause between two judgements at this address, ms; 0 when it is not slowed. */
  pause(address: string, now: number): number {
    return pauseAfter(this.#left(address, now));
  }

  /** How many addresses are slowed. */
  slowed(now: number): number {
    let slowed = 0;
    for (const address of this.#failures.keys()) if (this.pause(address, now) > 0) slowed += 1;
    return slowed;
  }

  #left(address: string, now: number): number {
    const known = this.#failures.get(address);
    return known === undefined ? 0 : failuresLeft(known.count, now - known.countedAt);
  }
}
