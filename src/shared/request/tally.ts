import type { Clock, Timer } from '../clock.ts';
import type { RequestTotals } from './request-stats.ts';

/** What has become of a client's requests, and the wait for the last of them. */
export class Tally {
  readonly totals: { -readonly [K in keyof RequestTotals]: number } = {
    requests: 0,
    answered: 0,
    failed: 0,
    aborted: 0,
    retries: 0,
    timeouts: 0,
    turnedAway: 0,
  };
  #endWait: (() => void) | undefined;

  /** Requests whose callers have not heard yet. */
  get underWay(): number {
    const { requests, answered, failed, aborted } = this.totals;
    return requests - answered - failed - aborted;
  }

  /** Waits for those under way until the grace is over, ms; Infinity never is. */
  wait(clock: Clock, graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer | undefined = graceMs === Infinity ? undefined : clock.setTimeout(resolve, graceMs);
      this.#endWait = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
  }

  /** A request is over for its caller: it may have been the last. */
  settled(): void {
    if (this.#endWait !== undefined && this.underWay === 0) this.#endWait();
  }

  endWait(): void {
    this.#endWait?.();
  }
}
