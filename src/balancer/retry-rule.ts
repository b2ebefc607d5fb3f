/** A request that has failed at a server, before a byte of an answer came. */
export interface Failure {
  /** How often it was tried again already, and how often that may be. */
  readonly retries: number;
  readonly maxRetries: number;
  readonly method: string;
  /** Whether the server had been sent something of it. */
  readonly isSent: boolean;
  /** Whether all of it is still there: it has no body, one that is kept whole, or one of which nothing was taken yet. */
  readonly isWhole: boolean;
  /** Whether the server was too slow, and not lost. */
  readonly isLate: boolean;
  /** Whether the connection that it was sent on had carried something before, and was closed with no answer. */
  readonly isStale: boolean;
  /** Whether there is a server that has not failed it. */
  readonly hasOther: boolean;
}

/** Methods whose request may be sent twice: the second time changes nothing that the first has not (RFC 9110, 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Whether it may be sent twice. */
export function isRepeatable(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/**
 * Whether it goes out once more at once, to the same server and over a new connection, without being counted: a server may
 * close a connection that is kept just when a request goes out on it, and that is no failure.
 */
export function mayRenew({ method, isWhole, isStale }: Failure): boolean {
  return isStale && isWhole && isRepeatable(method);
}

/**
 * Whether it may be tried again. What nobody has had anything of can go to another server, whatever it is. What was sent
 * may go again when its method allows it, also to the same server; but not where it took too long, for that it would do again.
 */
export function mayRetry(failure: Failure): boolean {
  const { retries, maxRetries, method, isSent, isWhole, isLate, hasOther } = failure;
  if (retries >= maxRetries || !isWhole) return false;
  return isSent ? isRepeatable(method) && !isLate : hasOther;
}
