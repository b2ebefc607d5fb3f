/** Where flows come out: each has a socket of its own to a target. */
import type { Clock } from '../clock.ts';
import type { VisitResetError } from '../errors.ts';
import type { DatagramVisit } from '../session/datagram-visit.ts';
import { ResetCode } from '../wire/frame.ts';
import { type Bandwidth, type BandwidthOptions, makeBandwidth } from './bandwidth.ts';
import { Crowd } from './crowd.ts';
import { DatagramCounts, type DatagramStats } from './datagram-stats.ts';
import { ExitCarrier, type ExitCarrierOwner } from './exit-carrier.ts';
import type { FlowEnd } from './flow-events.ts';
import { FlowTable } from './flow-table.ts';
import { TargetFlow, type TargetFlowOwner } from './target-flow.ts';
import { Targets, type TargetsSetup, type TargetStats } from './targets.ts';
import type { LiveVisit, Tunnel, TunnelExit } from './tunnel.ts';

export interface DatagramExitOptions extends TargetsSetup {
  readonly flowIdleTimeoutMs: number;
  readonly maxFlows: number;
  readonly bandwidth: BandwidthOptions;
}

export class DatagramExit implements TunnelExit, TargetFlowOwner, ExitCarrierOwner {
  readonly #clock: Clock;
  readonly #tunnel: Tunnel;
  readonly #targets: Targets;
  readonly #carriers = new Set<ExitCarrier>();
  readonly #table: FlowTable<TargetFlow>;
  readonly #crowd = new Crowd<TargetFlow>();
  readonly bandwidth: Bandwidth | undefined;
  readonly #counts = new DatagramCounts();
  #stopped = false;

  constructor(options: DatagramExitOptions, tunnel: Tunnel) {
    const { clock, flowIdleTimeoutMs: idleMs, maxFlows: max } = options;
    this.#clock = clock;
    this.#tunnel = tunnel;
    this.bandwidth = makeBandwidth(options.bandwidth, clock);
    this.#targets = new Targets(options, tunnel);
    this.#table = new FlowTable({ max, idleMs, clock }, (flow, why) => this.#end(flow, why));
  }

  get live(): LiveVisit[] {
    return [...this.#carriers].map(({ visit }) => visit);
  }

  /** Flows that are on. */
  get visits(): number {
    return this.#crowd.size;
  }

  stats(): DatagramStats {
    return this.#counts.snapshot({ flows: this.visits, carriers: this.#carriers.size });
  }

  targetStats(): readonly TargetStats[] {
    return this.#targets.stats();
  }

  start(): void {
    // Nothing is checked or kept ready.
  }

  /** Takes no new flows; visits without any end. */
  stop(): void {
    this.#stopped = true;
    for (const { visit, flows } of this.#carriers) if (flows.size === 0) visit.end();
  }

  /** Takes a visit that the other side has opened. */
  serve(visit: DatagramVisit): void {
    this.#carriers.add(new ExitCarrier(visit, this.#clock.now(), this));
    visit.accept();
    if (!this.#tunnel.heard('visitOpened')) return;
    const { info, connectionId: id, client } = visit;
    this.#tunnel.tell('visitOpened', { remote: info.remote, id, client, waitedMs: 0 });
  }

  empty(graceMs: number): Promise<void> {
    return this.#crowd.empty(this.#clock, graceMs);
  }

  abort(reason: string): void {
    this.#stopped = true;
    for (const flow of this.#crowd.all()) this.#remove(flow, 'closing');
    for (const { visit } of this.#carriers) visit.reset(ResetCode.internal, reason);
    this.#carriers.clear();
  }

  /** @internal */
  onFlow(carrier: ExitCarrier, number: number, remote: string): void {
    if (this.#stopped) return carrier.visit.endFlow(number);
    const target = this.#targets.first();
    target.enter();
    const flow = new TargetFlow(carrier, number, remote, target, this.#clock.now(), this);
    this.#counts.flowsTotal += 1;
    carrier.flows.set(number, flow);
    this.#table.add(flow);
    this.#crowd.add(flow);
    if (this.#tunnel.heard('flowOpened')) this.#tunnel.tell('flowOpened', { remote });
    flow.open();
  }

  /** @internal */
  onDatagram(flow: TargetFlow, datagram: Buffer): void {
    flow.datagramsIn += 1;
    this.#counts.datagramsIn += 1;
    this.#counts.bytesIn += datagram.length;
    this.#table.touch(flow);
    if (this.bandwidth?.upload?.tryPass(datagram.length) === false) this.#counts.dropped.limited += 1;
    else flow.send(datagram);
  }

  /** @internal */
  onAnswer(flow: TargetFlow, datagram: Buffer): void {
    if (!flow.answered || flow.refused) flow.target.reached();
    flow.refused = false;
    this.#table.answer(flow);
    if (this.bandwidth?.download?.tryPass(datagram.length) === false) {
      this.#counts.dropped.limited += 1;
      return;
    }
    if (!flow.carrier.visit.send(flow.number, datagram)) {
      this.#counts.dropped.unsent += 1;
      return;
    }
    flow.datagramsOut += 1;
    this.#counts.datagramsOut += 1;
    this.#counts.bytesOut += datagram.length;
  }

  /** @internal */
  onDropped(why: 'target' | 'unsent', count: number): void {
    this.#counts.dropped[why] += count;
  }

  /** @internal */
  onFailed(flow: TargetFlow, error: Error): void {
    if (!flow.refused) flow.target.unreached(error);
    flow.refused = true;
    // The next datagram may find another target, or the name known. The only one may be back by then, with the flow.
    if (this.#targets.only === undefined || !flow.connected) this.#remove(flow, 'target');
  }

  /** @internal */
  onFlowEnd(flow: TargetFlow): void {
    this.#remove(flow, 'ended');
  }

  /** @internal */
  onStray(): void {
    this.#counts.dropped.unknownFlow += 1;
  }

  /** @internal */
  onCarrierEnd(carrier: ExitCarrier, error: VisitResetError | undefined): void {
    const { visit, flows, startedAt } = carrier;
    for (const flow of [...flows.values()]) this.#remove(flow, error === undefined ? 'ended' : 'lost');
    this.#carriers.delete(carrier);
    visit.end();
    if (!this.#tunnel.heard('visitClosed')) return;
    const { info, connectionId: id, client, bytesIn, bytesOut } = visit;
    const durationMs = this.#clock.now() - startedAt;
    const reason = error === undefined ? 'done' : 'reset';
    this.#tunnel.tell('visitClosed', { remote: info.remote, id, client, bytesIn, bytesOut, durationMs, reason, error });
  }

  #remove(flow: TargetFlow, reason: FlowEnd): void {
    this.#table.delete(flow);
    this.#end(flow, reason);
  }

  /** A flow is over, and out of the table. */
  #end(flow: TargetFlow, reason: FlowEnd): void {
    const { carrier, number, target } = flow;
    this.#crowd.delete(flow);
    carrier.flows.delete(number);
    carrier.visit.endFlow(number);
    flow.close();
    target.leave();
    if (reason === 'displaced') this.#counts.flowsDisplaced += 1;
    if (this.#tunnel.heard('flowClosed')) this.#tunnel.tell('flowClosed', flow.closed(reason, this.#clock.now()));
    if (this.#stopped && carrier.flows.size === 0) carrier.visit.end();
  }
}
