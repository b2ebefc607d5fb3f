import { Duplex } from 'node:stream';

/**
 * A stream that hears exactly what a test feeds it, at once, and keeps what is written to it. Like a socket it may be
 * paused, and then hands on what was on its way already.
 */
export class FedSocket extends Duplex {
  readonly written: Buffer[] = [];
  #stuck = false;
  #release: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** Bytes come from the other side, in pieces of these sizes, again and again. */
  feed(bytes: Buffer, sizes: readonly number[] = [Infinity]): void {
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? Infinity;
      this.emit('data', bytes.subarray(at, at + size));
      at += size;
    }
  }

  /** The other side reads nothing any more: what is written from now on stays. */
  stick(): void {
    this.#stuck = true;
  }

  /** It has read what there was, and goes on. */
  release(): void {
    this.#stuck = false;
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    if (this.#stuck) this.#release = done;
    else done();
  }
}
