import { createClock } from '@sinonjs/fake-timers';
import type { Clock } from '../../src/shared/clock.ts';

/** Time that moves only when a test says so. */
export interface ManualClock {
  readonly clock: Clock;
  /** Moves on by `ms`, runs what falls due in order, and lets promises settle. */
  advance(ms: number): Promise<void>;
  /** The process does not run for `ms`: both times go on, and what fell due meanwhile runs once, late. */
  stop(ms: number): void;
  /** The machine sleeps, or somebody sets the time: the time of day moves by `ms`, the monotonic time stands still. */
  shiftWall(ms: number): void;
  /** Timers that are set. */
  readonly timers: number;
}

export function manualClock(): ManualClock {
  const fake = createClock(0);
  let shiftedMs = 0;
  return {
    clock: {
      now: () => fake.now,
      wallNow: () => fake.now + shiftedMs,
      setTimeout: (callback, delayMs) => fake.setTimeout(callback, delayMs) as object,
      clearTimeout: (timer) => fake.clearTimeout(timer as never),
    },
    async advance(ms) {
      await fake.tickAsync(ms);
    },
    stop(ms) {
      fake.jump(ms);
    },
    shiftWall(ms) {
      shiftedMs += ms;
    },
    get timers() {
      return fake.countTimers();
    },
  };
}
