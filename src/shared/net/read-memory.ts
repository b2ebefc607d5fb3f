/**
 * The memory that sockets read into, given back as soon as its bytes have been written elsewhere.
 *
 * Node reads into blocks of 64 KiB that the garbage collector owns. V8 collects the whole heap whenever 64 MiB of such
 * memory have come since the last time, 15 times a second in a bulk transfer: a third of its CPU (docs/performance.md).
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What is smaller is left to the garbage collector, bytes. */
const MIN_BYTES = 4096;

/** Detaches an ArrayBuffer and frees its memory when asked for 0 bytes; Node has it from version 22 on. */
type Transfer = (this: ArrayBufferLike, byteLength: number) => ArrayBuffer;

/** Chunks whose bytes are on their way out. Who lends them has no other use for them, and no one else holds them. */
export class ReadMemory {
  #lent: Buffer[] = [];

  /**
   * Takes a chunk that a socket has read. A part of a larger block is none of its own and is left alone.
   *
   * @param left bytes that are still to be written; undefined leaves the chunk alone, for it may be needed again
   */
  lend(chunk: Buffer, left: number | undefined): void {
    if (left === undefined || chunk.length < MIN_BYTES || chunk.length !== chunk.buffer.byteLength) return;
    this.#lent.push(chunk);
    this.spend(left);
  }

  /** Frees all that was lent, if nothing is left to be written. */
  spend(left: number | undefined): void {
    if (left !== 0 || this.#lent.length === 0) return;
    const { transfer } = ArrayBuffer.prototype as { transfer?: Transfer };
    if (transfer !== undefined) for (const { buffer } of this.#lent) transfer.call(buffer, 0);
    this.#lent = [];
  }
}

/**
 * Whether a stream is the system's: what it reads is in memory of its own, and what has left it has been copied. Other
 * streams may hand on the very buffers that were written to them.
 */
export function copiesBytes(stream: Duplex): boolean {
  return stream instanceof Socket;
}
