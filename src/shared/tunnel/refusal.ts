import {
  AcquireTimeoutError,
  NoNodeError,
  PoolClosedError,
  QueueFullError,
  type VisitorRefusal,
  VisitorRefusedError,
} from '../errors.ts';

/**
 * Why a visitor was turned away, the same words in events, logs and metric labels: nothing was idle in time, too many
 * waited already, no server is known, the tunnel is closing, the visitor left while it waited, the rules for visitors turned
 * it away, or anything else.
 */
export type RefusalReason =
  | 'timeout'
  | 'queue-full'
  | 'no-server'
  | 'closing'
  | 'visitor-left'
  | 'error'
  | VisitorRefusal;

/** The visitor closed its connection while it waited. Nobody is to be told what to do about it. */
export class VisitorLeft extends Error {
  constructor() {
    super('the visitor left');
  }
}

/** The word for what a visitor's wait ended with. */
export function refusalOf(error: unknown): RefusalReason {
  if (error instanceof VisitorRefusedError) return error.reason;
  if (error instanceof AcquireTimeoutError) return 'timeout';
  if (error instanceof QueueFullError) return 'queue-full';
  if (error instanceof NoNodeError) return 'no-server';
  if (error instanceof PoolClosedError) return 'closing';
  return error instanceof VisitorLeft ? 'visitor-left' : 'error';
}
