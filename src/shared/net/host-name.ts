/**
 * The host that a visitor asks for, read from the first bytes of its connection: by TLS from the ClientHello, without TLS
 * from an HTTP/1 request. Pure, and it ends nothing: the bytes go on to the target as they came.
 */
import type { HostRead } from './host-read.ts';
import { readRequestHost } from './http-host.ts';
import { HANDSHAKE_RECORD, readServerName } from './tls-host.ts';

/** The most that is looked at, bytes: a ClientHello with several post-quantum key shares takes 4 KiB. */
export const MAX_PEEK_BYTES = 16 * 1024;

/**
 * Reads the host that a connection asks for.
 *
 * @param bytes all that has come so far
 * @returns undefined while more bytes may name it
 */
export function readHost(bytes: Buffer): HostRead | undefined {
  if (bytes.length === 0) return undefined;
  const isFull = bytes.length >= MAX_PEEK_BYTES;
  const peek = bytes.subarray(0, MAX_PEEK_BYTES);
  return bytes[0] === HANDSHAKE_RECORD ? readServerName(peek, isFull) : readRequestHost(peek, isFull);
}
