/** Frames as a test reads them. */
import type { FrameSink } from '../../src/shared/wire/decode.ts';
import { encodeFrame } from '../../src/shared/wire/encode.ts';
import type { FrameType } from '../../src/shared/wire/frame.ts';

export interface Frame {
  readonly type: number;
  readonly visit: number;
  /** Hex. */
  readonly payload: string;
}

export function bytesOf({ type, visit, payload }: Frame): Buffer {
  return encodeFrame(type as FrameType, visit, Buffer.from(payload, 'hex'));
}

/** Puts frames together again and checks the order of the callbacks on the way. */
export class FrameCollector implements FrameSink {
  readonly frames: Frame[] = [];
  /** Bytes heard so far, headers included. */
  heard = 0;
  /** The header whose payload is still coming. */
  #open: { type: number; visit: number; length: number } | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;

  onHeader(type: number, visit: number, length: number): void {
    if (this.#open !== undefined) throw new Error('a header inside a payload');
    this.heard += 8;
    if (length === 0) this.frames.push({ type, visit, payload: '' });
    else this.#open = { type, visit, length };
  }

  onPayload(piece: Buffer, last: boolean): void {
    if (this.#open === undefined) throw new Error('a payload without a header');
    if (piece.length === 0) throw new Error('an empty piece');
    this.heard += piece.length;
    this.#bytes += piece.length;
    this.#pieces.push(piece);
    if (last !== (this.#bytes === this.#open.length)) throw new Error('"last" is wrong');
    if (!last) return;
    const { type, visit } = this.#open;
    this.frames.push({ type, visit, payload: Buffer.concat(this.#pieces).toString('hex') });
    this.#open = undefined;
    this.#pieces = [];
    this.#bytes = 0;
  }
}
