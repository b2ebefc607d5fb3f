import type { Duplex } from 'node:stream';
import { throwLater } from '../events.ts';
import { encodeHeader, writeHeader } from '../wire/encode.ts';
import { FrameType, HEADER_BYTES, payloadLimit } from '../wire/frame.ts';

/** Up to here copying a payload behind its header is cheaper than a second buffer in the write, bytes (measured). */
const COPY_LIMIT_BYTES = 2048;

const MAX_DATA_BYTES = payloadLimit(FrameType.data);

const NOTHING = Buffer.alloc(0);

/** Writers with a frame held: since this turn of the event loop, and since the one before. */
let fresh: FrameWriter[] = [];
let ripe: FrameWriter[] = [];

/**
 * Puts frames on a socket. Each write is a system call here and a wake-up there, so a frame that has company soon waits
 * for it: OPEN for the visitor's first bytes, OPENED for the target's.
 */
export class FrameWriter {
  readonly #socket: Duplex;
  #held: Buffer = NOTHING;
  /** It is in one of the two lists. */
  #listed = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Writes a frame together with the next one, or alone when none comes within two turns of the event loop. */
  hold(frame: Buffer): void {
    this.#held = this.#held.length === 0 ? frame : Buffer.concat([this.#held, frame]);
    if (this.#listed) return;
    this.#listed = true;
    if (fresh.length === 0 && ripe.length === 0) setImmediate(turn);
    fresh.push(this);
  }

  /** Writes a frame now; `flushed` is called when it has gone. */
  write(frame: Buffer, flushed?: () => void): void {
    this.#socket.write(this.#behindHeld(frame), flushed);
  }

  /** Writes a visit's bytes as DATA frames now. False when the socket has enough for now. */
  data(visit: number, chunk: Buffer): boolean {
    if (chunk.length <= COPY_LIMIT_BYTES) {
      const held = this.#held;
      const frame = Buffer.allocUnsafe(held.length + HEADER_BYTES + chunk.length);
      frame.set(held);
      writeHeader(frame, held.length, FrameType.data, visit, chunk.length);
      chunk.copy(frame, held.length + HEADER_BYTES);
      this.#held = NOTHING;
      return this.#socket.write(frame);
    }
    this.#socket.cork();
    let flowing = true;
    for (let at = 0; at < chunk.length; at += MAX_DATA_BYTES) {
      const piece = at === 0 && chunk.length <= MAX_DATA_BYTES ? chunk : chunk.subarray(at, at + MAX_DATA_BYTES);
      this.#socket.write(this.#behindHeld(encodeHeader(FrameType.data, visit, piece.length)));
      flowing = this.#socket.write(piece);
    }
    this.#socket.uncork();
    return flowing;
  }

  /** Its time has come: writes what is held. */
  flush(): void {
    this.#listed = false;
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = NOTHING;
    this.#socket.write(held);
  }

  #behindHeld(frame: Buffer): Buffer {
    if (this.#held.length === 0) return frame;
    const both = Buffer.concat([this.#held, frame]);
    this.#held = NOTHING;
    return both;
  }
}

/** One immediate for all writers, whatever their number. */
function turn(): void {
  const due = ripe;
  ripe = fresh;
  fresh = [];
  // Before a stream that throws could keep the others waiting.
  if (ripe.length > 0) setImmediate(turn);
  for (const writer of due) {
    try {
      writer.flush();
    } catch (error) {
      throwLater(error);
    }
  }
}
