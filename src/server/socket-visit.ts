import type { Socket } from 'node:net';
import { ReadMemory } from '../shared/net/read-memory.ts';
import { breakOff, type RelayHandler, type RelayVisit } from '../shared/relay/relay.ts';

/** A TCP connection in the place of a visit: a relay between two sockets. An abort is a reset, in both directions. */
export class SocketVisit implements RelayVisit {
  bytesIn = 0;
  bytesOut = 0;
  readonly #socket: Socket;
  readonly #read = new ReadMemory();
  #gotEnd = false;
  #sentEnd = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get unsent(): number {
    return this.#socket.writableLength;
  }

  set handler(handler: RelayHandler) {
    let cause = new Error('the other process broke the visit off');
    this.#socket
      .on('data', (chunk: Buffer) => {
        this.bytesIn += chunk.length;
        this.#read.spend(handler.unwritten);
        handler.onData(chunk);
        this.#read.lend(chunk, handler.unwritten);
      })
      .on('end', () => {
        this.#gotEnd = true;
        handler.onEnd();
      })
      .on('drain', () => handler.onDrain())
      .on('error', (error) => (cause = error))
      .on('close', () => {
        if (!this.#gotEnd || !this.#sentEnd) handler.onReset(cause);
      });
  }

  /** Nothing was kept: what has been written may have reached the target. */
  takeBack(): { readonly chunks: readonly Buffer[] } {
    return { chunks: [] };
  }

  write(chunk: Buffer): boolean {
    this.bytesOut += chunk.length;
    return this.#socket.write(chunk);
  }

  end(): void {
    this.#sentEnd = true;
    this.#socket.end();
  }

  reset(): void {
    this.#sentEnd = true;
    breakOff(this.#socket);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
