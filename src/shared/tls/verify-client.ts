import type { TLSSocket } from 'node:tls';

/** The part of Node's TLS handle that says how the verification of the peer's certificate went. */
interface VerifyingHandle {
  verifyError?(): Error | null;
}

/**
 * Why a client's certificate is not good; undefined when it is. Node judges it by itself only in `tls.createServer`;
 * on a bare server-side TLSSocket the verdict stays in the handle. Without a verdict the answer is no.
 */
export function clientCertificateError(socket: TLSSocket): Error | undefined {
  const handle = (socket as unknown as { _handle?: VerifyingHandle | null })._handle;
  if (typeof handle?.verifyError !== 'function') return new Error('this Node version gives no verdict on certificates');
  return handle.verifyError() ?? undefined;
}
