/** Where visitors' datagrams come in: each address has a flow, and each flow a connection that carries it. */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Clock } from '../clock.ts';
import { VisitorRefusedError, type VisitorRefusal, type VisitResetError } from '../errors.ts';
import { formatAddress, type HostAddress, normaliseIp } from '../net/address.ts';
import { type Bandwidth, type BandwidthOptions, makeBandwidth } from './bandwidth.ts';
import type { Carrier } from './carrier.ts';
import { Carriers, type CarriersOwner } from './carriers.ts';
import { Crowd } from './crowd.ts';
import { flowRules } from './datagram-options.ts';
import { bindDatagrams, isFull } from './datagram-socket.ts';
import { DatagramCounts, type DatagramStats } from './datagram-stats.ts';
import type { FlowEnd } from './flow-events.ts';
import { refusalOf } from './refusal.ts';
import type { LiveVisit, Tunnel, TunnelEntrance } from './tunnel.ts';
import type { DatagramSource, VisitorInfo } from './visit-pool.ts';
import { VisitorFlow } from './visitor-flow.ts';
import { VisitorFlows } from './visitor-flows.ts';
import { VisitorGate, type VisitorStats } from './visitor-gate.ts';
import type { VisitorsOptions } from './visitor-rules.ts';

/** What may wait for a connection: so many datagrams, and their bytes. */
const MAX_WAITING = 256;
const MAX_WAITING_BYTES = 256 * 1024;

/** A datagram that waits for a connection. */
interface Waiting {
  readonly flow: VisitorFlow;
  readonly datagram: Buffer;
}

export interface DatagramEntranceOptions {
  readonly listen: HostAddress;
  readonly reusePort: boolean;
  readonly openTimeoutMs: number;
  readonly flowIdleTimeoutMs: number;
  readonly maxFlows: number;
  readonly maxFlowsPerAddress: number;
  /** Judge who begins a flow. */
  readonly visitors: VisitorsOptions;
  readonly bandwidth: BandwidthOptions;
  readonly clock: Clock;
}

export class DatagramEntrance implements TunnelEntrance, CarriersOwner {
  readonly #options: DatagramEntranceOptions;
  readonly #tunnel: Tunnel;
  readonly #flows: VisitorFlows;
  readonly #gate: VisitorGate;
  readonly #crowd = new Crowd<VisitorFlow>();
  readonly #carriers: Carriers;
  readonly bandwidth: Bandwidth | undefined;
  readonly #counts = new DatagramCounts();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #socket: Socket | undefined;
  #address: HostAddress | undefined;
  #local = '';
  #shut = false;

  constructor(options: DatagramEntranceOptions, source: DatagramSource, tunnel: Tunnel) {
    const { clock, flowIdleTimeoutMs: idleMs, maxFlows: max, maxFlowsPerAddress: maxPerAddress } = options;
    this.#options = options;
    this.#tunnel = tunnel;
    this.#flows = new VisitorFlows({ max, maxPerAddress, idleMs, clock }, (flow, why) => this.#end(flow, why));
    this.#gate = new VisitorGate(flowRules(options.visitors), clock);
    this.bandwidth = makeBandwidth(options.bandwidth, clock);
    this.#carriers = new Carriers({ source, openTimeoutMs: options.openTimeoutMs, clock }, this);
  }

  get address(): HostAddress | undefined {
    return this.#address;
  }

  /** What carries flows now. */
  get live(): LiveVisit[] {
    return this.#carriers.all().map(({ visit }) => visit);
  }

  /** Flows that are on. */
  get visitors(): number {
    return this.#crowd.size;
  }

  stats(): DatagramStats {
    return this.#counts.snapshot({ flows: this.visitors, carriers: this.#carriers.size });
  }

  get visitorStats(): VisitorStats {
    return this.#gate.stats;
  }

  setVisitorRules(rules: VisitorsOptions): void {
    this.#gate.rules = flowRules(rules);
  }

  async open(): Promise<void> {
    const socket = await bindDatagrams(this.#options.listen, this.#options.reusePort);
    this.#socket = socket;
    if (this.#shut) return this.#close();
    const { address: host, port } = socket.address();
    this.#address = { host, port };
    this.#local = formatAddress({ host: normaliseIp(host), port });
    socket.on('message', (datagram, from) => this.#receive(datagram, from));
    // What a visitor's machine says of an answer of ours.
    socket.on('error', this.#unsent);
  }

  shut(): void {
    this.#shut = true;
    this.#carriers.retire();
    if (this.visitors === 0) this.#close();
  }

  empty(graceMs: number): Promise<void> {
    return this.#crowd.empty(this.#options.clock, graceMs);
  }

  abort(reason: string): void {
    this.#shut = true;
    for (const flow of this.#crowd.all()) {
      this.#flows.delete(flow);
      this.#end(flow, 'closing');
    }
    this.#carriers.abort(reason);
    this.#dropWaiting('table');
    this.#close();
  }

  /** @internal */
  onAnswer(flow: VisitorFlow, datagram: Buffer): void {
    const socket = this.#socket;
    this.#flows.table.answer(flow);
    if (socket === undefined || isFull(socket)) {
      this.#counts.dropped.unsent += 1;
      return;
    }
    if (this.bandwidth?.download?.tryPass(datagram.length) === false) {
      this.#counts.dropped.limited += 1;
      return;
    }
    flow.datagramsIn += 1;
    this.#counts.datagramsIn += 1;
    this.#counts.bytesIn += datagram.length;
    socket.send(datagram, flow.port, flow.host, this.#unsent);
  }

  /** @internal */
  onFlowEnd(flow: VisitorFlow): void {
    this.#flows.delete(flow);
    this.#end(flow, 'ended');
  }

  /** @internal */
  onStray(): void {
    this.#counts.dropped.unknownFlow += 1;
  }

  /** @internal */
  onCarrier({ visit }: Carrier, waitedMs: number): void {
    const { info, connectionId: id, client } = visit;
    if (this.#tunnel.heard('visitOpened'))
      this.#tunnel.tell('visitOpened', { remote: info.remote, id, client, waitedMs });
    // It is a carrier among the others when this turn is over.
    if (this.#waiting.length > 0) queueMicrotask(() => this.#sendWaiting());
  }

  /** @internal */
  onCarrierEnd({ visit, startedAt }: Carrier, error: VisitResetError | undefined): void {
    if (!this.#tunnel.heard('visitClosed')) return;
    const { info, connectionId: id, client, bytesIn, bytesOut } = visit;
    const durationMs = this.#options.clock.now() - startedAt;
    const reason = error === undefined ? 'done' : 'reset';
    this.#tunnel.tell('visitClosed', { remote: info.remote, id, client, bytesIn, bytesOut, durationMs, reason, error });
  }

  /** @internal */
  onNoCarrier({ remote }: VisitorInfo, waitedMs: number, error: unknown): void {
    this.#dropWaiting('noConnection');
    if (!this.#tunnel.heard('visitRefused')) return;
    this.#tunnel.tell('visitRefused', { remote, waitedMs, reason: refusalOf(error), error });
  }

  #receive(datagram: Buffer, { address, port }: RemoteInfo): void {
    // Forged: nothing can be sent there, and Node says so by an exception.
    if (port === 0) {
      this.#counts.dropped.visitor += 1;
      return;
    }
    let flow = this.#flows.get(address, port);
    if (flow === undefined) {
      if (this.#shut) {
        this.#counts.dropped.table += 1;
        return;
      }
      flow = this.#begin(address, port);
      if (flow === undefined) return;
    } else {
      this.#flows.table.touch(flow);
    }
    if (flow.carrier !== undefined || this.#place(flow)) this.#send(flow, datagram);
    else this.#wait(flow, datagram);
  }

  #begin(host: string, port: number): VisitorFlow | undefined {
    const remote = formatAddress({ host: normaliseIp(host), port });
    const place = this.#gate.enter(host);
    if (typeof place === 'string') {
      this.#refuse(remote, place);
      return undefined;
    }
    const flow = new VisitorFlow(host, port, remote, this.#options.clock.now(), place);
    this.#flows.add(flow);
    this.#crowd.add(flow);
    this.#counts.flowsTotal += 1;
    if (this.#tunnel.heard('flowOpened')) this.#tunnel.tell('flowOpened', { remote });
    return flow;
  }

  #refuse(remote: string, reason: VisitorRefusal): void {
    this.#counts.dropped.refused += 1;
    if (!this.#tunnel.heard('visitRefused')) return;
    this.#tunnel.tell('visitRefused', { remote, waitedMs: 0, reason, error: new VisitorRefusedError(reason) });
  }

  #place(flow: VisitorFlow): boolean {
    return this.#carriers.place(flow, { remote: flow.remote, local: this.#local });
  }

  #send(flow: VisitorFlow, datagram: Buffer): void {
    if (this.bandwidth?.upload?.tryPass(datagram.length) === false) {
      this.#counts.dropped.limited += 1;
      return;
    }
    if (flow.carrier?.visit.send(flow.number, datagram) !== true) {
      this.#counts.dropped.unsent += 1;
      return;
    }
    flow.datagramsOut += 1;
    this.#counts.datagramsOut += 1;
    this.#counts.bytesOut += datagram.length;
  }

  #wait(flow: VisitorFlow, datagram: Buffer): void {
    const full = this.#waiting.length >= MAX_WAITING || this.#waitingBytes + datagram.length > MAX_WAITING_BYTES;
    if (full || !this.#carriers.open({ remote: flow.remote, local: this.#local })) {
      this.#counts.dropped.noConnection += 1;
      return;
    }
    this.#waiting.push({ flow, datagram });
    this.#waitingBytes += datagram.length;
  }

  #takeWaiting(): Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return waiting;
  }

  #sendWaiting(): void {
    for (const { flow, datagram } of this.#takeWaiting()) {
      if (this.#flows.get(flow.host, flow.port) !== flow) this.#counts.dropped.table += 1;
      else if (flow.carrier !== undefined || this.#place(flow)) this.#send(flow, datagram);
      else this.#counts.dropped.noConnection += 1;
    }
  }

  #dropWaiting(reason: 'noConnection' | 'table'): void {
    this.#counts.dropped[reason] += this.#takeWaiting().length;
  }

  /** A flow is over here, and out of the table. */
  #end(flow: VisitorFlow, reason: FlowEnd): void {
    flow.carrier?.drop(flow);
    this.#gate.leave(flow.place);
    this.#crowd.delete(flow);
    if (reason === 'displaced') this.#counts.flowsDisplaced += 1;
    if (this.#tunnel.heard('flowClosed'))
      this.#tunnel.tell('flowClosed', flow.closed(reason, this.#options.clock.now()));
    if (!this.#shut || this.visitors > 0) return;
    this.#carriers.retire();
    this.#close();
  }

  readonly #unsent = (error: Error | null): void => {
    if (error !== null) this.#counts.dropped.visitor += 1;
  };

  #close(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#address = undefined;
  }
}
