/** What goes wrong with requests and with the resources behind them. The classes of a {@link RequestError} say what a retry is worth. */
import { PooldError, type PooldErrorOptions, reasonOf } from '../errors.ts';

/** What a pool was doing with a resource: the factory's method. */
export type ResourceStage = 'create' | 'clean' | 'park' | 'unpark' | 'destroy';

/** A resource could not be made, kept, or got rid of; `cause` is what the factory threw. */
export class ResourceError extends PooldError {
  readonly code = 'POOLD_ERR_RESOURCE';
  readonly stage: ResourceStage;

  constructor(stage: ResourceStage, pool: string, cause: unknown) {
    super(`pool ${pool} could not ${stage} a resource: ${reasonOf(cause)}; check the other side and the factory`, {
      cause,
    });
    this.stage = stage;
  }
}

/**
 * - `transient`: the server, or the way to it, cannot now; it has not done it, and may a moment later
 * - `timeout`: no reply in time
 * - `permanent`: the answer is no, and would be again
 * - `connection-closed`: the connection was lost with the request on it
 */
export type RequestErrorKind = 'transient' | 'timeout' | 'permanent' | 'connection-closed';

/** What a {@link RequestError} may carry besides its message. */
export interface RequestErrorOptions extends PooldErrorOptions {
  /** Whether the request may have reached the server. Default false. */
  readonly sent?: boolean;
}

/** The base of what a request fails with, aborts and a full queue aside. */
export abstract class RequestError extends PooldError {
  abstract readonly kind: RequestErrorKind;
  /** Whether the request may have reached the server: it was written, and nothing has denied that it was done. */
  readonly sent: boolean;

  constructor(message: string, options: RequestErrorOptions = {}) {
    super(message, options);
    this.sent = options.sent === true;
  }
}

/** The server says that it cannot now, or none could be connected: nothing was done, so that another try is safe. */
export class TransientRequestError extends RequestError {
  readonly code = 'POOLD_ERR_REQUEST_TRANSIENT';
  readonly kind = 'transient';
}

/** No reply before the timeout. */
export class RequestTimeoutError extends RequestError {
  readonly code = 'POOLD_ERR_REQUEST_TIMEOUT';
  readonly kind = 'timeout';
  readonly timeoutMs: number;

  /** @param total whether it is the time for all tries that is over */
  constructor(timeoutMs: number, sent: boolean, total: boolean, options?: PooldErrorOptions) {
    const which = total ? 'totalTimeoutMs' : 'timeoutMs';
    const where = sent ? 'the server has not answered' : 'no connection had room for it';
    super(`${where} within ${timeoutMs} ms; check the server, or raise ${which}`, { ...options, sent });
    this.timeoutMs = timeoutMs;
  }
}

/** The server refuses the request, or the codec cannot write it; `cause` says why. */
export class PermanentRequestError extends RequestError {
  readonly code = 'POOLD_ERR_REQUEST_PERMANENT';
  readonly kind = 'permanent';
}

/** The connection was lost after the request was written on it: whether it was done is not known. */
export class ConnectionLostError extends RequestError {
  readonly code = 'POOLD_ERR_CONNECTION_LOST';
  readonly kind = 'connection-closed';

  constructor(server: string, cause: unknown) {
    const why = cause === undefined ? 'closed by the other side' : reasonOf(cause);
    super(
      `the connection to ${server} was lost with the request on it (${why}); say that it is idempotent if it may be sent again`,
      { cause, sent: true },
    );
  }
}
