import type { VisitResetError } from '../../src/shared/errors.ts';
import type { DatagramHandler, DatagramVisit } from '../../src/shared/session/datagram-visit.ts';

/** Hears a visit of datagrams and remembers everything, in order. */
export class DatagramLog implements DatagramHandler {
  readonly heard: string[] = [];
  /** What came, by flow. */
  readonly datagrams = new Map<number, Buffer[]>();
  strays = 0;
  resetCode: number | undefined;
  done = false;

  constructor(visit: DatagramVisit) {
    visit.handler = this;
    const { onDone } = visit;
    visit.onDone = () => {
      this.done = true;
      onDone?.();
    };
  }

  onFlow(flow: number, remote: string): void {
    this.heard.push(`flow ${flow} ${remote}`);
  }

  onDatagram(flow: number, datagram: Buffer): void {
    const all = this.datagrams.get(flow);
    if (all === undefined) this.datagrams.set(flow, [datagram]);
    else all.push(datagram);
    this.heard.push(`${flow}: ${datagram.length < 100 ? String(datagram) : datagram.length}`);
  }

  onFlowEnd(flow: number): void {
    this.heard.push(`end ${flow}`);
  }

  onStray(): void {
    this.strays += 1;
  }

  onEnd(): void {
    this.heard.push('end');
  }

  onReset(error: VisitResetError): void {
    this.resetCode = error.resetCode;
    this.heard.push(`reset ${error.resetCode}`);
  }
}
