import type { Duplex } from 'node:stream';
import { breakOff } from '../shared/relay/relay.ts';

/**
 * Joins two sockets byte for byte, each direction with its own end: what a request becomes that was upgraded. When one of
 * them breaks, so does the other.
 */
export class JoinedSockets {
  readonly #client: Duplex;
  readonly #server: Duplex;
  readonly #onEnd: (bytesIn: number, bytesOut: number) => void;
  #bytesIn = 0;
  #bytesOut = 0;
  #open = 2;

  /** @param onEnd hears once, when both are closed, what has come from the client and what went to it, bytes */
  constructor(client: Duplex, server: Duplex, onEnd: (bytesIn: number, bytesOut: number) => void) {
    this.#client = client;
    this.#server = server;
    this.#onEnd = onEnd;
    client.on('data', (chunk: Buffer) => (this.#bytesIn += chunk.length));
    server.on('data', (chunk: Buffer) => (this.#bytesOut += chunk.length));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.pipe(to);
      from.on('error', ignore).once('close', () => this.#closed(from, to));
    }
  }

  /** Breaks both off. */
  destroy(): void {
    breakOff(this.#client);
    breakOff(this.#server);
  }

  #closed(one: Duplex, other: Duplex): void {
    // One that has said its end and heard the other's has closed in order, and its pipe has said so.
    if (!one.readableEnded || one.errored !== null) breakOff(other);
    this.#open -= 1;
    if (this.#open === 0) this.#onEnd(this.#bytesIn, this.#bytesOut);
  }
}

/** `close` follows. */
function ignore(): void {}
