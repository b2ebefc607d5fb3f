/** Which failures another try may mend. */
import {
  AcquireTimeoutError,
  CircuitOpenError,
  DialError,
  HandshakeTimeoutError,
  PoolClosedError,
  QueueFullError,
  VisitResetError,
} from '../errors.ts';
import { isBeforeTarget } from '../wire/frame.ts';

/** Of a pool or a dial: another connection, or another node, may do. */
const POOL_LEVEL = [
  AcquireTimeoutError,
  QueueFullError,
  DialError,
  HandshakeTimeoutError,
  PoolClosedError,
  CircuitOpenError,
] as const;

/** Of a connection or the way to it, in Node's and the system's words. */
const CONNECTION_LEVEL: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'EAI_AGAIN',
  'ERR_SOCKET_CLOSED',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/**
 * Whether the failure lies with a connection, a pool or the way between, so that the same may go well a moment later or
 * elsewhere; a visit that was reset, only if no byte of it reached a target. False for aborts, for refusals, and for whatever else is thrown: that would only happen again.
 */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof VisitResetError) return isBeforeTarget(error.resetCode);
  return POOL_LEVEL.some((kind) => error instanceof kind) || ('code' in error && CONNECTION_LEVEL.has(error.code));
}
