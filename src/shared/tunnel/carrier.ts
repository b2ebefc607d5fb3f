/** One visit that carries flows of visitors, from where they come in. */
import type { Clock, Timer } from '../clock.ts';
import type { VisitResetError } from '../errors.ts';
import type { DatagramHandler, DatagramVisit } from '../session/datagram-visit.ts';
import { ResetCode } from '../wire/frame.ts';
import type { VisitorFlow } from './visitor-flow.ts';

/** A carrier without flows goes back to the pool after this time, ms: the next visitor may come soon. */
const IDLE_MS = 5000;

/** Who hears of a carrier. */
export interface CarrierOwner {
  onAnswer(flow: VisitorFlow, datagram: Buffer): void;
  /** The other side has ended a flow. */
  onFlowEnd(flow: VisitorFlow): void;
  onStray(): void;
  /** It carries nothing any more: its flows are on no carrier. `error` says what broke it, where something did. */
  onCarrierEnd(carrier: Carrier, error: VisitResetError | undefined): void;
}

export class Carrier implements DatagramHandler {
  readonly visit: DatagramVisit;
  readonly startedAt: number;
  readonly #clock: Clock;
  readonly #owner: CarrierOwner;
  readonly #flows = new Map<number, VisitorFlow>();
  /** Until the other side has said something; then while there are no flows. */
  #timer: Timer | undefined;
  #ended = false;

  /** @param openTimeoutMs how long the other side may take to accept */
  constructor(visit: DatagramVisit, openTimeoutMs: number, clock: Clock, owner: CarrierOwner) {
    this.visit = visit;
    this.startedAt = clock.now();
    this.#clock = clock;
    this.#owner = owner;
    visit.handler = this;
    this.#timer = clock.setTimeout(() => this.#judge(), openTimeoutMs);
  }

  get flows(): number {
    return this.#flows.size;
  }

  /** Whether new flows may go here. */
  get usable(): boolean {
    return !this.#ended && !this.visit.draining;
  }

  /** Takes a flow; false when no number is left, which leaves it to end with its flows. */
  take(flow: VisitorFlow): boolean {
    const number = this.visit.openFlow(flow.remote);
    if (number === undefined) return false;
    // The first deadline stays: it looks after the visit's beginning.
    if (this.visit.established) this.#clearTimer();
    flow.carrier = this;
    flow.number = number;
    this.#flows.set(number, flow);
    return true;
  }

  /** A flow is over here. */
  drop(flow: VisitorFlow): void {
    this.visit.endFlow(flow.number);
    this.#forget(flow);
  }

  /** Breaks it off; the owner hears nothing. */
  abort(reason: string): void {
    this.#ended = true;
    this.#clearTimer();
    this.visit.reset(ResetCode.internal, reason);
  }

  /** Ends now if there are no flows, otherwise with the last one. */
  retire(): void {
    if (this.flows === 0) this.#end(undefined);
  }

  /** @internal */
  onFlow(): void {
    // Flows are opened here, never there.
  }

  /** @internal */
  onDatagram(number: number, datagram: Buffer): void {
    const flow = this.#flows.get(number);
    if (flow !== undefined) this.#owner.onAnswer(flow, datagram);
  }

  /** @internal */
  onFlowEnd(number: number): void {
    const flow = this.#flows.get(number);
    if (flow === undefined) return;
    this.#forget(flow);
    this.#owner.onFlowEnd(flow);
  }

  /** @internal */
  onStray(): void {
    this.#owner.onStray();
  }

  /** @internal */
  onEnd(): void {
    this.#end(undefined);
  }

  /** @internal */
  onReset(error: VisitResetError): void {
    this.#end(error);
  }

  #judge(): void {
    this.#timer = undefined;
    if (!this.visit.established) this.visit.abandon();
    else if (this.flows === 0) this.#end(undefined);
  }

  #forget(flow: VisitorFlow): void {
    this.#flows.delete(flow.number);
    flow.carrier = undefined;
    if (this.flows > 0 || this.#ended) return;
    if (!this.usable) this.#end(undefined);
    else this.#timer ??= this.#clock.setTimeout(() => this.#judge(), IDLE_MS);
  }

  #end(error: VisitResetError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clearTimer();
    this.visit.end();
    for (const flow of this.#flows.values()) flow.carrier = undefined;
    this.#flows.clear();
    this.#owner.onCarrierEnd(this, error);
  }

  #clearTimer(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
