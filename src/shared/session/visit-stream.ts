import { Duplex } from 'node:stream';
import { ResetCode } from '../wire/frame.ts';
import type { VisitResetError } from '../errors.ts';
import type { Visit, VisitHandler } from './visit.ts';

/**
 * A visit as a Node stream, for `pipeline` and everything else that takes a Duplex. `end()` ends one direction only;
 * `destroy()` resets the visit. The tunnel's own relay does without it, because a stream costs more than it carries.
 */
export class VisitStream extends Duplex implements VisitHandler {
  readonly #visit: Visit;
  #written: (() => void) | undefined;

  constructor(visit: Visit) {
    super({ allowHalfOpen: true });
    this.#visit = visit;
    visit.handler = this;
  }

  /** Emits `opened`: the target is connected. */
  onOpened(): void {
    this.emit('opened');
  }

  onData(piece: Buffer): void {
    if (!this.push(piece)) this.#visit.pause();
  }

  onEnd(): void {
    this.push(null);
  }

  onReset(error: VisitResetError): void {
    this.destroy(error);
  }

  onDrain(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }

  override _read(): void {
    this.#visit.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#visit.write(chunk)) done();
    else this.#written = done;
  }

  override _final(done: () => void): void {
    this.#visit.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#visit.over) this.#visit.reset(ResetCode.visitorLeft);
    done(error);
  }
}
