/**
 * Time as a dependency: whatever waits takes a {@link Clock}, so that tests drive it instead of
 * sleeping. All values are ms.
 */
import { MAX_DURATION_MS } from './units.ts';

/** A timer that was started and can be cleared. It keeps the process alive until `unref` is called. */
export interface Timer {
  unref?(): unknown;
}

export interface Clock {
  /** Monotonic time, ms. Only differences mean anything. */
  now(): number;
  /** Calls `callback` once after `delayMs`, unless cleared before. */
  setTimeout(callback: () => void, delayMs: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
}

/** The machine's own time. A delay beyond the longest that its timers keep is that long. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, MAX_DURATION_MS)),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};
