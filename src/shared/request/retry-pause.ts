import { CircuitOpenError } from '../errors.ts';
import { exponentialMs } from '../resilience/exponential.ts';
import type { RequestError } from './request-errors.ts';

/** How far a pause strays from its length, either way, as a share of it: those who failed together come back apart. */
const JITTER = 0.2;

/**
 * Whether the request may be sent again after this: it was not done, or may be done twice, and the answer may be another. A
 * circuit that is open for longer than the longest pause is not waited for.
 */
export function mayRetry(
  error: RequestError | CircuitOpenError,
  idempotent: boolean,
  { maxWaitMs }: { readonly maxWaitMs: number },
): boolean {
  if (error instanceof CircuitOpenError) return error.retryInMs <= maxWaitMs;
  return error.kind !== 'permanent' && (idempotent || !error.sent);
}

/** How long to wait after so many tries, ms: doubled each time, and no less than a circuit says whose end {@link mayRetry} waits for. */
export function retryPauseMs(
  attempts: number,
  error: RequestError | CircuitOpenError,
  { initialWaitMs, maxWaitMs }: { readonly initialWaitMs: number; readonly maxWaitMs: number },
  random: () => number,
): number {
  const lengthMs = exponentialMs(attempts - 1, { firstMs: initialWaitMs, factor: 2, maxMs: maxWaitMs });
  const stray = JITTER * (2 * random() - 1);
  // Before a circuit's pause is over, a try would be one in vain.
  const leastMs = error instanceof CircuitOpenError ? error.retryInMs * (1 + Math.abs(stray)) : 0;
  return Math.min(maxWaitMs, Math.max(leastMs, lengthMs * (1 + stray)));
}
