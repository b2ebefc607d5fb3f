/** A visit that carries datagrams: many flows, each of one visitor address, over one connection. */
import { ProtocolError, VisitResetError } from '../errors.ts';
import {
  checkDatagramLength,
  decodeFlow,
  decodeFlowEnd,
  encodeFlow,
  encodeFlowEnd,
  FLOW_BYTES,
  MAX_DATAGRAM_BYTES,
  nextFlow,
} from '../wire/datagram.ts';
import { encodeFrame } from '../wire/encode.ts';
import { FrameType } from '../wire/frame.ts';
import type { OpenInfo } from '../wire/messages.ts';
import { Payload } from '../wire/payload.ts';
import type { CarriedVisit } from './carried-visit.ts';
import { FrameBatch } from './frame-batch.ts';
import { MAX_EARLY_BYTES, resetText, type VisitCarrier } from './visit.ts';

/** The most bytes that may wait for the connection to take them; what would be more is dropped. */
export const MAX_UNSENT_BYTES = 1024 * 1024;

/**
 * The same for the beginnings and ends of flows, of which none may be dropped: beyond it no flow begins. Datagrams leave
 * half of it to them, enough for some 15,000 flows.
 */
const MAX_UNSENT_WITH_FLOWS = 2 * MAX_UNSENT_BYTES;

/** What hears a visit of datagrams, in the order of the wire. Set it in the callback that brings the visit. */
export interface DatagramHandler {
  /** A new flow, of the visitor at `remote`. Acceptors only; whoever takes flows bounds them by `endFlow`. */
  onFlow(flow: number, remote: string): void;
  /** A datagram of a flow that is open; a view that may be kept and not be written to. */
  onDatagram(flow: number, datagram: Buffer): void;
  /** The other side has ended a flow. */
  onFlowEnd(flow: number): void;
  /** A datagram was dropped because its flow is not open: the two ends of a flow may have crossed. */
  onStray(): void;
  /** The other side ends the visit. */
  onEnd(): void;
  /** The visit is over before its time. */
  onReset(error: VisitResetError): void;
}

export class DatagramVisit implements CarriedVisit {
  /** Its number on the connection, from 1. */
  readonly number: number;
  readonly info: OpenInfo;
  /** The connection's ID, the same at both ends. */
  readonly connectionId: string;
  /** The client process at the other end, or this one. */
  readonly client: string;
  /** Bytes of datagrams so far, with their flow numbers, from and to the other side. */
  bytesIn = 0;
  bytesOut = 0;
  /** Called once, when the visit is over and its connection is idle again or closed. */
  onDone: (() => void) | undefined;
  handler: DatagramHandler | undefined;
  readonly #early: boolean;
  readonly #flows = new Set<number>();
  readonly #batch: FrameBatch;
  #carrier: VisitCarrier | undefined;
  /** The flow that was opened last. */
  #last = 0;
  readonly #payload = new Payload();

  /** Visits are made by sessions. @internal */
  constructor(carrier: VisitCarrier, opener: boolean, number: number, info: OpenInfo) {
    this.#carrier = carrier;
    this.#early = opener;
    this.#batch = new FrameBatch(carrier);
    this.number = number;
    this.info = info;
    this.connectionId = carrier.id;
    this.client = carrier.greeted.client;
  }

  /** Over: nothing is sent any more, and nothing comes. */
  get over(): boolean {
    return this.#carrier === undefined;
  }

  /** Nobody stops the other side: what cannot be passed on is dropped. @internal */
  get flowing(): boolean {
    return true;
  }

  /** The connection is to end: no new flows here. */
  get draining(): boolean {
    return this.#carrier?.draining !== false;
  }

  /** Whether the other side has accepted, or this side has. */
  get established(): boolean {
    return this.#carrier?.established === true;
  }

  /** Flows that are open. */
  get flows(): number {
    return this.#flows.size;
  }

  /** Bytes that wait to be sent. */
  get unsent(): number {
    return (this.#carrier?.unsent ?? 0) + this.#batch.length;
  }

  /** The other side may send without limit. Acceptors only, once. */
  accept(): void {
    this.#carrier?.sendOpened();
  }

  /**
   * Opens a flow for the visitor at `remote`. Openers only.
   *
   * @returns its number; undefined when the visit is over or has no number left (then end it, and open another), and while
   * the other side does not read
   */
  openFlow(remote: string): number | undefined {
    const flow = nextFlow(this.#last);
    if (this.over || flow === undefined || this.unsent > MAX_UNSENT_WITH_FLOWS) return undefined;
    this.#last = flow;
    this.#flows.add(flow);
    this.#batch.frame(encodeFrame(FrameType.flow, this.number, encodeFlow({ flow, remote })));
    return flow;
  }

  /** Ends a flow; one that is not open is left as it is. */
  endFlow(flow: number): void {
    if (this.over || !this.#flows.delete(flow)) return;
    // Flows are the opener's: who accepts ends as many as it is sent.
    this.#batch.frame(encodeFrame(FrameType.flowEnd, this.number, encodeFlowEnd(flow)), !this.#early);
  }

  /**
   * Sends a datagram with the turn of the event loop. False: dropped, because too much is unsent, the other side has not
   * accepted yet and has 64 KiB, the datagram is longer than one may be, or its flow is not open.
   */
  send(flow: number, datagram: Buffer): boolean {
    const carrier = this.#carrier;
    const size = FLOW_BYTES + datagram.length;
    if (carrier === undefined || datagram.length > MAX_DATAGRAM_BYTES || !this.#flows.has(flow)) return false;
    const early = this.#early && !carrier.established;
    if (early ? this.bytesOut + size > MAX_EARLY_BYTES : this.unsent + size > MAX_UNSENT_BYTES) return false;
    this.bytesOut += size;
    this.#batch.datagram(this.number, flow, datagram);
    return true;
  }

  /** Ends the visit: nothing more is sent, and the other side ends too. */
  end(): void {
    this.#batch.flush();
    this.#carrier?.sendFin();
  }

  /** Abandons the visit in both directions. */
  reset(code: number, message = ''): void {
    this.#batch.clear();
    this.#carrier?.sendReset(code, message);
  }

  /** Gives up the whole connection under the visit: its peer does not answer any more. */
  abandon(): void {
    this.#carrier?.close('stalled');
  }

  /** @internal */
  expect(length: number): void {
    checkDatagramLength(length);
    this.#payload.begin(length);
  }

  /** @internal */
  received(piece: Buffer, last: boolean): void {
    const payload = this.#payload.add(piece, last);
    if (payload === undefined) return;
    this.bytesIn += payload.length;
    const flow = payload.readUInt32BE(0);
    if (this.#flows.has(flow)) this.handler?.onDatagram(flow, payload.subarray(FLOW_BYTES));
    else this.handler?.onStray();
  }

  /** @internal */
  flowed(type: number, payload: Buffer): void {
    if (type === FrameType.flowEnd) {
      const ended = decodeFlowEnd(payload);
      if (this.#flows.delete(ended)) this.handler?.onFlowEnd(ended);
      return;
    }
    const { flow, remote } = decodeFlow(payload);
    if (flow !== nextFlow(this.#last)) throw new ProtocolError(`FLOW: flow ${flow} came after flow ${this.#last}`);
    this.#last = flow;
    this.#flows.add(flow);
    this.handler?.onFlow(flow, remote);
  }

  /** @internal */
  ended(): void {
    this.handler?.onEnd();
  }

  /** @internal */
  wasReset(code: number, message: string): void {
    this.handler?.onReset(new VisitResetError(code, resetText(code, message)));
  }

  /** @internal */
  lend(): void {
    // Datagrams are handed on one by one, and may wait in sockets of their own.
  }

  /** @internal */
  opened(): void {
    // What was sent before has been counted; from here on there is room.
  }

  /** @internal */
  drained(): void {
    // Whoever sends datagrams waits for nobody.
  }

  /** @internal */
  detach(): void {
    this.#carrier = undefined;
    this.#flows.clear();
    this.#batch.clear();
    const { onDone } = this;
    this.onDone = undefined;
    onDone?.();
  }
}
