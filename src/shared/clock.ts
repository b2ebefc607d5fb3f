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
  /** The time of day, ms since 1970. It goes on while the machine sleeps, and somebody may set it, back too. */
  wallNow(): number;
  /** Calls `callback` once after `delayMs`, unless cleared before. */
  setTimeout(callback: () => void, delayMs: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
}

/**
 * A timer this late, ms, says that the machine slept, the process was stopped, or somebody set the time. No healthy event
 * loop is busy for so long, and it is less than the silence that the shortest keep-alive interval (1 s) forgives a peer:
 * the server waits for two, and a client asks after 1.1 at most.
 */
const JUMP_MS = 500;

/** A timer of the machine that lets what has arrived be read before it says that nothing has. */
class MachineTimer implements Timer {
  readonly #timer: NodeJS.Timeout;
  #late: NodeJS.Immediate | undefined;

  constructor(callback: () => void, delayMs: number) {
    const dueAt = performance.now() + delayMs;
    this.#timer = setTimeout(() => {
      // After a stop of the process Node runs its timers first, and only then reads its sockets.
      if (performance.now() - dueAt < JUMP_MS) callback();
      else this.#late = setImmediate(callback);
    }, delayMs);
  }

  unref(): void {
    this.#timer.unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#late);
  }
}

/**
 * The machine's own time. A delay beyond the longest that its timers keep is that long; a timer that is late because the
 * process was stopped runs when what has arrived meanwhile was read.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimeout: (callback, delayMs) => new MachineTimer(callback, Math.min(delayMs, MAX_DURATION_MS)),
  clearTimeout: (timer) => (timer as MachineTimer | undefined)?.clear(),
};

/**
 * A look at what has aged: calls `look` once after `delayMs`. `jumped` says that by one of the two times far more has
 * passed (the monotonic one stands still while a Linux machine sleeps): what should have been heard meanwhile may wait
 * unread, or its path may be gone. A time of day that is set back says nothing. Does not keep the process alive.
 */
export function lookLater(clock: Clock, delayMs: number, look: (jumped: boolean) => void): Timer {
  const now = clock.now();
  const wallNow = clock.wallNow();
  const timer = clock.setTimeout(() => {
    const passedMs = Math.max(clock.now() - now, clock.wallNow() - wallNow);
    look(passedMs - delayMs >= JUMP_MS);
  }, delayMs);
  timer.unref?.();
  return timer;
}
