/** One direction of one visit under a limit: what has been read waits here for its turn. */
import type { BandwidthGate, Queued } from './bandwidth-gate.ts';

/** Where a lane leads. */
export interface LaneEnd {
  onPiece(piece: Buffer): void;
  /** Nothing waits any more: more may be read. */
  onEmpty(): void;
  onEnd(): void;
}

export class Lane implements Queued {
  readonly #gate: BandwidthGate;
  readonly #to: LaneEnd;
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** The end has come, and stands behind what waits. */
  #ended = false;

  constructor(gate: BandwidthGate, to: LaneEnd) {
    this.#gate = gate;
    this.#to = to;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Passes a piece on at once or keeps it; in order. False: it, or one before it, waits, and nothing more should be read. */
  push(piece: Buffer): boolean {
    if (this.#bytes === 0 && this.#gate.tryPass(piece.length)) {
      this.#to.onPiece(piece);
      return true;
    }
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes === piece.length) this.#gate.wait(this);
    return false;
  }

  /** No piece comes any more. */
  end(): void {
    if (this.#bytes === 0) this.#to.onEnd();
    else this.#ended = true;
  }

  /** Takes out what waits; nothing of it passes. */
  take(): Buffer[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    this.#ended = false;
    this.#gate.leave(this);
    return pieces;
  }

  /** @internal */
  pass(bytes: number): void {
    let left = bytes;
    while (left > 0) {
      const [piece] = this.#pieces;
      if (piece === undefined) return;
      const now = piece.subarray(0, left);
      if (now.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(left);
      left -= now.length;
      this.#bytes -= now.length;
      this.#to.onPiece(now);
    }
    if (this.#bytes > 0) return;
    if (this.#ended) this.#to.onEnd();
    else this.#to.onEmpty();
  }
}
