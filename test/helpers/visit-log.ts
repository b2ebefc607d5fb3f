import type { VisitResetError } from '../../src/shared/errors.ts';
import type { Visit, VisitHandler } from '../../src/shared/session/visit.ts';

/** Hears a visit and remembers everything, in order; bytes that follow each other are one entry. */
export class VisitLog implements VisitHandler {
  readonly heard: string[] = [];
  bytes = 0;
  drains = 0;
  resetCode: number | undefined;
  done = false;

  constructor(visit: Visit) {
    visit.handler = this;
    const { onDone } = visit;
    visit.onDone = () => {
      this.done = true;
      onDone?.();
    };
  }

  onOpened(): void {
    this.heard.push('opened');
  }

  onData(piece: Buffer): void {
    this.bytes += piece.length;
    const last = this.heard.at(-1);
    if (last?.startsWith('data ') === true) this.heard[this.heard.length - 1] = last + String(piece);
    else this.heard.push(`data ${String(piece)}`);
  }

  onEnd(): void {
    this.heard.push('end');
  }

  onReset(error: VisitResetError): void {
    this.resetCode = error.resetCode;
    this.heard.push(`reset ${error.resetCode}`);
  }

  onDrain(): void {
    this.drains += 1;
  }
}
