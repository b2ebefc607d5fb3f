import { offAbort, onAbort } from '../abort.ts';
import type { Clock } from '../clock.ts';

/** When somebody stops to wait for a piece of work. */
export interface Bounds<T> {
  readonly clock: Clock;
  /** ms; Infinity never. */
  readonly timeoutMs: number;
  /** What it rejects with then; also the reason of the work's signal. */
  readonly timedOut: () => Error;
  /** Ends it, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Gets the result that nobody waits for any more. */
  readonly late?: (value: T) => void;
}

/** Settles as `work` does, or rejects at its bounds, whether the work heeds its signal or not. */
export function bounded<T>(
  work: (signal: AbortSignal) => T | Promise<T>,
  { clock, timeoutMs, timedOut, signal, late }: Bounds<T>,
): Promise<T> {
  const given = new AbortController();
  return new Promise((resolve, reject) => {
    let over = false;
    const end = (settle: () => void): boolean => {
      if (over) return false;
      over = true;
      clock.clearTimeout(timer);
      if (signal !== undefined) offAbort(signal, aborted);
      settle();
      return true;
    };
    const giveUp = (reason: Error): void => {
      end(() => {
        reject(reason);
        given.abort(reason);
      });
    };
    const aborted = (): void => giveUp(signal?.reason as Error);
    const timer = timeoutMs === Infinity ? undefined : clock.setTimeout(() => giveUp(timedOut()), timeoutMs);
    if (signal?.aborted === true) return aborted();
    if (signal !== undefined) onAbort(signal, aborted);
    // A work that throws at once is one that rejects.
    const working = (async () => await work(given.signal))();
    working.then(
      (value) => {
        if (!end(() => resolve(value))) late?.(value);
      },
      (error: unknown) => end(() => reject(error)),
    );
  });
}
