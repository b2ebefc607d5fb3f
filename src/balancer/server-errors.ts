/** What undici's errors mean here. */

/** It does not take a request like this. */
const UNSENDABLE: ReadonlySet<unknown> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);

/** The server was too slow, and not lost. */
const TOO_SLOW: ReadonlySet<unknown> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT']);

/** The other side has ended a connection, or it broke. */
const ENDED: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** Whether the request cannot be sent at all. */
export function isUnsendable(error: Error): boolean {
  return UNSENDABLE.has(codeOf(error));
}

/** Whether the server was too slow, and not lost. */
export function isLate(error: Error): boolean {
  return TOO_SLOW.has(codeOf(error));
}

/** Whether the server has ended a connection, or it broke, and not we have closed it. */
export function isEnded(error: Error): boolean {
  return ENDED.has(codeOf(error));
}

/** Whether a body is not as long as was said. An answer without a body may well say the length of what it does not send. */
export function isOtherLength(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
}

function codeOf(error: Error): unknown {
  return (error as { readonly code?: unknown }).code;
}
