import { createClock } from '@sinonjs/fake-timers';
import type { Clock } from '../../src/shared/clock.ts';

/** Time that moves only when a test says so. */
export interface ManualClock {
  readonly clock: Clock;
  /** Moves on by `ms`, runs what falls due in order, and lets promises settle. */
  advance(ms: number): Promise<void>;
  /** Timers that are set. */
  readonly timers: number;
}

export function manualClock(): ManualClock {
  const fake = createClock(0);
  return {
    clock: {
      now: () => fake.now,
      setTimeout: (callback, delayMs) => fake.setTimeout(callback, delayMs) as object,
      clearTimeout: (timer) => fake.clearTimeout(timer as never),
    },
    async advance(ms) {
      await fake.tickAsync(ms);
    },
    get timers() {
      return fake.countTimers();
    },
  };
}
