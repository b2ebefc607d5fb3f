import type { VisitResetError } from '../errors.ts';
import type { DatagramHandler, DatagramVisit } from '../session/datagram-visit.ts';
import type { TargetFlow } from './target-flow.ts';

/** Who hears of the visits that bring flows. */
export interface ExitCarrierOwner {
  onFlow(carrier: ExitCarrier, number: number, remote: string): void;
  onDatagram(flow: TargetFlow, datagram: Buffer): void;
  onFlowEnd(flow: TargetFlow): void;
  onStray(): void;
  /** It brings nothing any more. `error` says what broke it, where something did. */
  onCarrierEnd(carrier: ExitCarrier, error: VisitResetError | undefined): void;
}

/** One visit that brings flows, where they come out. */
export class ExitCarrier implements DatagramHandler {
  readonly visit: DatagramVisit;
  readonly startedAt: number;
  readonly flows = new Map<number, TargetFlow>();
  readonly #owner: ExitCarrierOwner;

  constructor(visit: DatagramVisit, now: number, owner: ExitCarrierOwner) {
    this.visit = visit;
    this.startedAt = now;
    this.#owner = owner;
    visit.handler = this;
  }

  onFlow(number: number, remote: string): void {
    this.#owner.onFlow(this, number, remote);
  }

  onDatagram(number: number, datagram: Buffer): void {
    const flow = this.flows.get(number);
    if (flow !== undefined) this.#owner.onDatagram(flow, datagram);
  }

  onFlowEnd(number: number): void {
    const flow = this.flows.get(number);
    if (flow !== undefined) this.#owner.onFlowEnd(flow);
  }

  onStray(): void {
    this.#owner.onStray();
  }

  onEnd(): void {
    this.#owner.onCarrierEnd(this, undefined);
  }

  onReset(error: VisitResetError): void {
    this.#owner.onCarrierEnd(this, error);
  }
}
