import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** protocol.md, "Authentication": what binds a proof to the connection that it is sent on. */
const LABEL = 'EXPORTER-poold';
const BINDING_BYTES = 32;

/** What stands for it without TLS. */
export const NO_BINDING = Buffer.alloc(BINDING_BYTES);

/** TLS 1.3 does not tell an empty context from none (RFC 8446, 7.5). */
const NO_CONTEXT = Buffer.alloc(0);

/**
 * The channel binding of a connection, 32 bytes: equal at both ends of a TLS connection, different on
 * every other one and on the two halves of an intercepted one; all zero without TLS.
 *
 * @throws Error from node:tls if the handshake is not finished or the socket is destroyed
 */
export function channelBinding(socket: Duplex): Buffer {
  return socket instanceof TLSSocket ? socket.exportKeyingMaterial(BINDING_BYTES, LABEL, NO_CONTEXT) : NO_BINDING;
}
