import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** Why a body ended before its end. */
export class BodyError extends Error {
  readonly reason: 'too-large' | 'client-left';

  constructor(reason: BodyError['reason']) {
    super(reason === 'too-large' ? 'the body is longer than bodyLimitBytes' : 'the client has left');
    this.reason = reason;
  }
}

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

/**
 * The body of a request on its way to a server, piece by piece. It stands between the two because whoever sends a body away destroys it
 * when the server is lost, and with the request itself would go the client's connection, and the answer with it. What comes
 * after that is read and thrown away.
 */
export class BodyStream extends Readable {
  readonly #source: IncomingMessage;
  readonly #limitBytes: number;
  /** What has come so far. */
  bytes = 0;

  constructor(source: IncomingMessage, limitBytes: number) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#limitBytes = limitBytes;
    // Between two tries nobody has it who would hear.
    this.on('error', ignore);
    source.pause();
    source.on('data', this.#onData).once('end', this.#onEnd).once('close', this.#onClose).on('error', ignore);
  }

  /** Whether it can still be sent: nothing of it was taken from the client, and nobody has given it up. */
  get isUntouched(): boolean {
    return this.bytes === 0 && !this.destroyed;
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#source.resume();
    done(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytes += chunk.length;
    if (this.bytes > this.#limitBytes) this.destroy(new BodyError('too-large'));
    else if (!this.push(chunk)) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.#source.complete) this.destroy(new BodyError('client-left'));
  };
}

/** Whoever sends it hears it, and `close` says it, too. */
function ignore(): void {}
