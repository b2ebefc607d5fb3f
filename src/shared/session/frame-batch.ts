/** The frames of many datagrams as few writes: each write is a TLS record, a system call and a wake-up. */
import { throwLater } from '../events.ts';
import { DATAGRAM_HEADER_BYTES, writeDatagramHeader } from '../wire/datagram.ts';

/** The most in one write, bytes: the longest datagram fits, and what a socket hands over in one turn of 32 short ones. */
const BATCH_BYTES = 64 * 1024;

/** Batches with something in them, since this turn of the event loop. */
let filled: FrameBatch[] = [];

/** Where a batch goes. */
export interface BatchCarrier {
  /** What was written is copied by then: its memory may be used again. */
  readonly copies: boolean;
  /** @param answers bytes of them that answer what came */
  sendFrames(frames: Buffer, answers: number, flushed: () => void): void;
}

/** Collects one visit's frames until the turn of the event loop ends, and hands them on in order. */
export class FrameBatch {
  readonly #carrier: BatchCarrier;
  #bytes: Buffer | undefined;
  #length = 0;
  #answers = 0;
  #listed = false;
  /** Written and free again. */
  #spare: Buffer | undefined;

  constructor(carrier: BatchCarrier) {
    this.#carrier = carrier;
  }

  /** Bytes that wait for the end of the turn. */
  get length(): number {
    return this.#length;
  }

  /** Adds a DATA frame. @throws RangeError when the datagram is longer than one may be */
  datagram(visit: number, flow: number, datagram: Buffer): void {
    const bytes = this.#room(DATAGRAM_HEADER_BYTES + datagram.length);
    writeDatagramHeader(bytes, this.#length, visit, flow, datagram.length);
    datagram.copy(bytes, this.#length + DATAGRAM_HEADER_BYTES);
    this.#length += DATAGRAM_HEADER_BYTES + datagram.length;
  }

  /** Adds a whole frame; `answer`: as often as the other side likes. */
  frame(frame: Buffer, answer = false): void {
    frame.copy(this.#room(frame.length), this.#length);
    this.#length += frame.length;
    if (answer) this.#answers += frame.length;
  }

  /** Hands on what there is now. */
  flush(): void {
    const [bytes, length, answers] = [this.#bytes, this.#length, this.#answers];
    if (bytes === undefined || length === 0) return;
    this.#bytes = undefined;
    this.#length = 0;
    this.#answers = 0;
    this.#carrier.sendFrames(bytes.subarray(0, length), answers, () => {
      if (this.#carrier.copies) this.#spare = bytes;
    });
  }

  /** Forgets what there is. */
  clear(): void {
    this.#length = 0;
    this.#answers = 0;
    this.#bytes = undefined;
    this.#spare = undefined;
  }

  /** The turn is over. @internal */
  turn(): void {
    this.#listed = false;
    this.flush();
  }

  /** Where the next `size` bytes go. */
  #room(size: number): Buffer {
    if (this.#length + size > BATCH_BYTES) this.flush();
    if (!this.#listed) {
      this.#listed = true;
      if (filled.length === 0) setImmediate(turn);
      filled.push(this);
    }
    if (this.#bytes === undefined) {
      this.#bytes = this.#spare ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
      this.#spare = undefined;
    }
    return this.#bytes;
  }
}

/** One immediate for all batches. */
function turn(): void {
  const due = filled;
  filled = [];
  for (const batch of due) {
    try {
      batch.turn();
    } catch (error) {
      throwLater(error);
    }
  }
}
