/** When a client stops trying, as its flags say: so that a service manager may start it anew. */
import type { ClientPool } from '../client/client-pool.ts';
import type { CloseReason } from '../shared/close-reason.ts';
import { RejectedError } from '../shared/errors.ts';
import { ExitCode } from './exit-codes.ts';
import type { Logger } from './logging.ts';

export interface Patience {
  /** End when the server refuses, even if it has let this client in before. */
  readonly exitOnReject: boolean;
  /** End when the last connection is lost, instead of dialling again. */
  readonly exitOnLoss: boolean;
  /** End after so many failed dials in a row; undefined never. */
  readonly maxRetryCount: number | undefined;
}

/** The ends of a connection that say that the server has gone. */
const LOSSES: ReadonlySet<CloseReason> = new Set([
  'peer-closed',
  'error',
  'protocol-error',
  'keep-alive-timeout',
  'drained',
  'stalled',
]);

/** Resolves with the exit code when the client gives up, having said why. */
export function untilGivenUp(pool: ClientPool, patience: Patience, log: Logger): Promise<ExitCode> {
  const { exitOnReject, exitOnLoss, maxRetryCount = Infinity } = patience;
  return new Promise((resolve) => {
    pool.on('dialFailed', ({ error, attempt }) => {
      if (isFinal(error) && (exitOnReject || !pool.welcomed)) {
        log.error({ code: error.code }, `the server refuses this client: ${error.detail}`);
        resolve(ExitCode.refused);
      } else if (attempt > maxRetryCount) {
        log.error({ code: error.code, attempt }, `given up after ${maxRetryCount} retries: ${error.message}`);
        resolve(ExitCode.givenUp);
      }
    });
    if (!exitOnLoss) return;
    pool.on('connectionClosed', ({ reason }) => {
      if (!pool.ready || pool.idle + pool.inUse > 0 || !LOSSES.has(reason)) return;
      log.error({ reason }, 'the server is lost');
      resolve(ExitCode.givenUp);
    });
  });
}

/** Whether the refusal is one that only a person can mend. */
function isFinal(error: unknown): error is RejectedError {
  return error instanceof RejectedError && ['auth', 'tunnel', 'version'].includes(error.reason);
}
