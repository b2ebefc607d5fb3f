import type { IncomingMessage } from 'node:http';
import type { Clock } from '../shared/clock.ts';

/** How long a client may go on with a body that nobody wants, ms, and be silent meanwhile: as nginx has it. */
const LINGER_MS = 30_000;
const SILENCE_MS = 5000;

/** How much of it is read and thrown away, bytes. */
const LINGER_BYTES = 64 * 1024 * 1024;

/**
 * Closes the connection of a request whose body is still being sent, behind the answer that was written: at once in our
 * direction, and in the client's when it has sent what it would. A socket that is closed over bytes that nobody has read is
 * reset, and the reset may reach the client before it has read the answer (RFC 9112, 9.6).
 */
export function closeBehind(request: IncomingMessage, clock: Clock): void {
  const { socket } = request;
  const cut = (): void => void socket.destroy();
  const timer = clock.setTimeout(cut, LINGER_MS);
  let bytes = 0;
  socket.setTimeout(SILENCE_MS);
  socket.once('close', () => clock.clearTimeout(timer));
  socket.end();
  request.once('end', cut).on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) cut();
  });
}
