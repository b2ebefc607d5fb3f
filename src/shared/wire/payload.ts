/** Puts the payload of a frame together. One that comes in one piece is handed on as it is. */
export class Payload {
  #length = 0;
  #bytes: Buffer | undefined;
  /** How much of `#bytes` has been written; behind it is whatever the memory held before. */
  #filled = 0;

  /** A frame begins whose header says so many bytes; the decoder has held them against the limit of its type. */
  begin(length: number): void {
    this.#length = length;
    this.#bytes = undefined;
    this.#filled = 0;
  }

  /**
   * Takes what `FrameSink.onPayload` is given, and copies it unless it is the whole: a piece may be one byte, and a buffer
   * kept for each is hundreds.
   *
   * @returns the payload once it is whole
   */
  add(piece: Buffer, last: boolean): Buffer | undefined {
    if (last && this.#filled === 0) return piece;
    const bytes = (this.#bytes ??= Buffer.allocUnsafeSlow(this.#length));
    this.#filled += piece.copy(bytes, this.#filled);
    if (!last) return undefined;
    this.#bytes = undefined;
    return bytes.subarray(0, this.#filled);
  }
}
