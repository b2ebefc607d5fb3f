import type { Duplex } from 'node:stream';

/** The most that is kept, bytes; what comes then waits in the socket. */
const KEPT_BYTES = 64 * 1024;

/**
 * What a client says behind its request for an upgrade, before that is answered. It is read because nobody hears of the end
 * of a socket that is not; one that ends it has left, as elsewhere in HTTP, and the socket is closed.
 */
export class EarlyBytes {
  readonly #socket: Duplex;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  /** @param first what came with the request */
  constructor(socket: Duplex, first: Buffer) {
    this.#socket = socket;
    this.#keep(first);
    socket.on('data', this.#keep).once('end', this.#leave);
  }

  /** The socket is somebody else's now, who reads what there was first. */
  release(): void {
    this.#socket.off('data', this.#keep).off('end', this.#leave).pause();
    if (this.#bytes > 0) this.#socket.unshift(Buffer.concat(this.#pieces));
  }

  readonly #keep = (piece: Buffer): void => {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= KEPT_BYTES) this.#socket.pause();
  };

  readonly #leave = (): void => void this.#socket.destroy();
}
