/**
 * Bytes to frames. The decoder judges a frame at its header and keeps no payload, so a peer can make it
 * hold 8 bytes at most, whatever it sends.
 */

import { ProtocolError } from '../errors.ts';
import { HEADER_BYTES, isKnownType, isSkippable, payloadLimit } from './frame.ts';

/** What hears the frames of a {@link FrameDecoder}. An exception thrown here leaves through `push`. */
export interface FrameSink {
  /**
   * Called once for every frame, before any of its payload. When `length` is 0 this call is the whole
   * frame. Types that nobody knows come here too, if they may be skipped (`isSkippable`).
   */
  onHeader(type: number, visit: number, length: number): void;
  /**
   * Called for each piece of a payload, in order, and never with an empty one; `last` is true for the
   * piece that completes the frame. `piece` is a view of the chunk given to `push`: whoever keeps it
   * beyond the call keeps the whole chunk in memory.
   */
  onPayload(piece: Buffer, last: boolean): void;
}

/** Cuts a stream into frames. Chunks may end anywhere. */
export class FrameDecoder {
  /** May be replaced at any time, also from inside a callback: the next callback goes to the new one. */
  sink: FrameSink;
  /** A header that came in parts; made when first needed, because almost every header comes in one piece. */
  #scratch: Buffer | undefined;
  #scratchBytes = 0;
  /** Payload bytes of the current frame that have not come yet. */
  #missing = 0;
  #stopped = false;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /**
   * True while a header or a payload is incomplete. Inside `onPayload` with `last`, and inside `onHeader` of an
   * empty frame, it is false already.
   */
  get midFrame(): boolean {
    return this.#missing > 0 || this.#scratchBytes > 0;
  }

  /** From now on nothing is decoded: `push` ignores its bytes, a `push` under way makes no further callback. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Decodes the next bytes of the stream; not to be called from inside a callback. Whatever it throws, from
   * here or from the sink, also stops the decoder, for the place in the stream is lost.
   * @throws ProtocolError if a type below 0x80 is unknown or a length is beyond the type's limit
   */
  push(chunk: Buffer): void {
    try {
      this.#decode(chunk);
    } catch (error) {
      this.#stopped = true;
      throw error;
    }
  }

  #decode(chunk: Buffer): void {
    const end = chunk.length;
    let offset = 0;
    while (offset < end && !this.#stopped) {
      if (this.#missing > 0) {
        const size = Math.min(this.#missing, end - offset);
        this.#missing -= size;
        const piece = size === end ? chunk : chunk.subarray(offset, offset + size);
        offset += size;
        this.sink.onPayload(piece, this.#missing === 0);
      } else if (this.#scratchBytes === 0 && end - offset >= HEADER_BYTES) {
        this.#begin(chunk, offset);
        offset += HEADER_BYTES;
      } else {
        offset += this.#collectHeader(chunk, offset);
      }
    }
  }

  /** Takes what the chunk has of a split header and returns how many bytes that was. */
  #collectHeader(chunk: Buffer, offset: number): number {
    this.#scratch ??= Buffer.alloc(HEADER_BYTES);
    const size = chunk.copy(this.#scratch, this.#scratchBytes, offset);
    this.#scratchBytes += size;
    if (this.#scratchBytes === HEADER_BYTES) {
      this.#scratchBytes = 0;
      this.#begin(this.#scratch, 0);
    }
    return size;
  }

  #begin(bytes: Buffer, offset: number): void {
    const word = bytes.readUInt32BE(offset);
    const type = word >>> 24;
    const length = word & 0xffffff;
    if (!isKnownType(type) && !isSkippable(type)) {
      throw new ProtocolError(`frame type 0x${type.toString(16).padStart(2, '0')} is unknown; is the peer a poold?`);
    }
    if (length > payloadLimit(type)) {
      throw new ProtocolError(
        `a frame of type 0x${type.toString(16).padStart(2, '0')} claims ${length} bytes, ${payloadLimit(type)} are allowed; is the peer a poold, and in the same TLS mode?`,
      );
    }
    this.#missing = length;
    this.sink.onHeader(type, bytes.readUInt32BE(offset + 4), length);
  }
}
