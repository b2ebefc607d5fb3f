import { Duplex } from 'node:stream';

/**
 * A stream that hears exactly what a test feeds it, at once, and keeps what is written to it. Like a socket it may be
 * paused, and then hands on what was on its way already.
 */
export class FedSocket extends Duplex {
  readonly written: Buffer[] = [];

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

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}
