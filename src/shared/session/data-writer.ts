import type { Duplex } from 'node:stream';
import { encodeHeader, writeHeader } from '../wire/encode.ts';
import { FrameType, HEADER_BYTES, payloadLimit } from '../wire/frame.ts';

/** Up to here copying a payload behind its header is cheaper than a second buffer in the write, bytes (measured). */
const COPY_LIMIT_BYTES = 2048;

const MAX_DATA_BYTES = payloadLimit(FrameType.data);

/** Writes a visit's bytes as DATA frames. False when the socket has enough for now. */
export function writeData(socket: Duplex, visit: number, chunk: Buffer): boolean {
  if (chunk.length <= COPY_LIMIT_BYTES) {
    const frame = Buffer.allocUnsafe(HEADER_BYTES + chunk.length);
    writeHeader(frame, 0, FrameType.data, visit, chunk.length);
    chunk.copy(frame, HEADER_BYTES);
    return socket.write(frame);
  }
  socket.cork();
  let flowing = true;
  for (let at = 0; at < chunk.length; at += MAX_DATA_BYTES) {
    const piece = at === 0 && chunk.length <= MAX_DATA_BYTES ? chunk : chunk.subarray(at, at + MAX_DATA_BYTES);
    socket.write(encodeHeader(FrameType.data, visit, piece.length));
    flowing = socket.write(piece);
  }
  socket.uncork();
  return flowing;
}
