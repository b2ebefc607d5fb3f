/** Buffers up to so many bytes together are copied into one: cheaper than a system call with many pieces. */
const COPY_BYTES = 256 * 1024;

/** What one turn of the event loop has to write on one connection: it leaves in one write. */
export class Batch {
  #text = '';
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  /** Bytes so far; of text, the characters. */
  get size(): number {
    return this.#pieceBytes + this.#text.length;
  }

  /** @throws TypeError for anything else: a codec may be plain JavaScript */
  add(bytes: string | Uint8Array): void {
    if (typeof bytes === 'string') {
      this.#text += bytes;
      return;
    }
    if (!(bytes instanceof Uint8Array)) throw new TypeError('encode has to return a string or bytes');
    this.#endText();
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }

  /** What is to be written, in order, and nothing is left: mostly one piece. */
  take(): readonly (string | Uint8Array)[] {
    if (this.#pieces.length === 0) {
      const text = this.#text;
      this.#text = '';
      return text === '' ? [] : [text];
    }
    this.#endText();
    const pieces = this.#pieces;
    const together = pieces.length > 1 && this.#pieceBytes <= COPY_BYTES;
    this.#pieces = [];
    this.#pieceBytes = 0;
    return together ? [Buffer.concat(pieces)] : pieces;
  }

  #endText(): void {
    if (this.#text === '') return;
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }
}
