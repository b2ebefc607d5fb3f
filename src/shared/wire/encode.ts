/**
 * Whole frames, ready to be written. A number or a payload beyond its limit is a bug of the caller, never
 * the peer's fault, so it is a RangeError and not a ProtocolError.
 */

import { FrameType, HEADER_BYTES, payloadLimit } from './frame.ts';

/** Longest message in a RESET, bytes of UTF-8. */
export const MAX_RESET_MESSAGE_BYTES = 512;

/** Length of what PING carries and PONG returns, bytes. */
export const OPAQUE_BYTES = 8;

const RESET_CODE_BYTES = 2;
const DEMAND_BYTES = 4;
/** Outside a visit (docs/protocol.md, "Frames"). */
const NO_VISIT = 0;

/**
 * Writes the 8 bytes of a header into `target` at `offset`; the payload of `length` bytes is the caller's.
 * @throws RangeError if `length` is not from 0 to the type's limit, `visit` is no u32 or `target` is too short
 */
export function writeHeader(target: Buffer, offset: number, type: FrameType, visit: number, length: number): void {
  // A negative length would run into the bits of the type.
  if (!(length >= 0 && length <= payloadLimit(type))) {
    throw new RangeError(`a frame of type ${type} may have ${payloadLimit(type)} bytes of payload, not ${length}`);
  }
  // Type and length share the first word; `>>> 0` because a type from 0x80 up would make it negative.
  target.writeUInt32BE(((type << 24) | length) >>> 0, offset);
  target.writeUInt32BE(visit, offset + 4);
}

/**
 * A header alone, for a large DATA frame whose payload is written behind it without being copied.
 * @throws RangeError as {@link writeHeader} does
 */
export function encodeHeader(type: FrameType, visit: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  writeHeader(header, 0, type, visit, length);
  return header;
}

/**
 * A frame in one buffer. The payload is copied: cheaper than a second write as long as it is small.
 * @throws RangeError as {@link writeHeader} does
 */
export function encodeFrame(type: FrameType, visit: number, payload?: Uint8Array): Buffer {
  if (payload === undefined) return encodeHeader(type, visit, 0);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  writeHeader(frame, 0, type, visit, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/**
 * A RESET frame. A message longer than {@link MAX_RESET_MESSAGE_BYTES} is cut between two characters.
 * @throws RangeError if `code` is no u16 or `visit` no u32
 */
export function encodeReset(visit: number, code: number, message = ''): Buffer {
  const room = Math.min(Buffer.byteLength(message), MAX_RESET_MESSAGE_BYTES);
  const start = HEADER_BYTES + RESET_CODE_BYTES;
  const frame = Buffer.allocUnsafe(start + room);
  // `write` stops before a character that does not fit, so fewer bytes than `room` may be used.
  const written = frame.write(message, start, room, 'utf8');
  writeHeader(frame, 0, FrameType.reset, visit, RESET_CODE_BYTES + written);
  frame.writeUInt16BE(code, HEADER_BYTES);
  return frame.subarray(0, start + written);
}

/**
 * A DEMAND frame that asks for `count` new connections.
 * @throws RangeError if `count` is no u32
 */
export function encodeDemand(count: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + DEMAND_BYTES);
  writeHeader(frame, 0, FrameType.demand, NO_VISIT, DEMAND_BYTES);
  frame.writeUInt32BE(count, HEADER_BYTES);
  return frame;
}

/**
 * A PING frame with 8 bytes that only its sender understands.
 * @throws RangeError if `opaque` has another length
 */
export function encodePing(opaque: Uint8Array): Buffer {
  return encodeOpaque(FrameType.ping, opaque);
}

/**
 * The PONG frame that answers a PING with its own 8 bytes.
 * @throws RangeError if `opaque` has another length
 */
export function encodePong(opaque: Uint8Array): Buffer {
  return encodeOpaque(FrameType.pong, opaque);
}

function encodeOpaque(type: FrameType, opaque: Uint8Array): Buffer {
  if (opaque.length !== OPAQUE_BYTES) throw new RangeError(`PING and PONG carry 8 bytes, not ${opaque.length}`);
  return encodeFrame(type, NO_VISIT, opaque);
}
