import type { ClientRequest, IncomingMessage } from 'node:http';

/** A body that has come whole by the time it is wanted, and can be sent as often as need be. */
export type WholeBody = Buffer;

/**
 * The body of a request of which nothing is still to come; else undefined. To be asked once: then it has been read.
 *
 * @param bytes its length as it was said; undefined where it comes in chunks
 */
export function takeWhole(source: IncomingMessage, bytes: number | undefined): WholeBody | undefined {
  // Node says that it is complete a little later than it is.
  if (!source.complete && source.readableLength !== bytes) return undefined;
  return (source.read() as Buffer | null) ?? Buffer.alloc(0);
}

/** The body of a request on its way to a server, piece by piece, no faster than the server reads. It can be sent once. */
export class BodyStream {
  readonly #source: IncomingMessage;
  readonly #limitBytes: number;
  readonly #onTooLarge: () => void;
  #sink: ClientRequest | undefined;
  /** What has come so far. */
  bytes = 0;

  /** @param onTooLarge hears that more has come than is allowed */
  constructor(source: IncomingMessage, limitBytes: number, onTooLarge: () => void) {
    this.#source = source;
    this.#limitBytes = limitBytes;
    this.#onTooLarge = onTooLarge;
  }

  /** Begins to send it. */
  pumpTo(sink: ClientRequest): void {
    this.#sink = sink;
    sink.on('drain', this.#onDrain);
    // That its client has left is told by the client's connection.
    this.#source.on('data', this.#onData).once('end', this.#onEnd).on('error', ignore);
  }

  /** What still comes is read and thrown away: the answer may stand behind it. */
  stop(): void {
    this.#sink?.off('drain', this.#onDrain);
    this.#source.off('data', this.#onData).off('end', this.#onEnd);
    if (this.#sink !== undefined) this.#source.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytes += chunk.length;
    if (this.bytes > this.#limitBytes) this.#onTooLarge();
    else if (this.#sink?.write(chunk) === false) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    this.#sink?.end();
  };

  readonly #onDrain = (): void => {
    this.#source.resume();
  };
}

export function isStream(body: WholeBody | BodyStream | undefined): body is BodyStream {
  return body instanceof BodyStream;
}

/** 'close' follows. */
function ignore(): void {}
