/** Where visitors come in: each is handed a pooled connection and talks to the target at the other end. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { VisitorRefusedError, type VisitorRefusal } from '../errors.ts';
import { throwLater } from '../events.ts';
import { formatAddress, type HostAddress, isWildcard, localOf, remoteOf } from '../net/address.ts';
import { DescriptorGuard } from '../net/descriptor-guard.ts';
import { spareForVisitors } from '../policy/descriptors.ts';
import { breakOff, type RelayEnd } from '../relay/relay.ts';
import { StallWatch } from '../relay/stall-watch.ts';
import { type Bandwidth, type BandwidthOptions, makeBandwidth } from './bandwidth.ts';
import { Crowd } from './crowd.ts';
import { refusalOf } from './refusal.ts';
import type { LiveVisit, Tunnel, TunnelEntrance } from './tunnel.ts';
import type { VisitorInfo, VisitSource } from './visit-pool.ts';
import { Visitor, type VisitorOwner } from './visitor.ts';
import type { VisitorAddress } from './visitor-addresses.ts';
import { VisitorGate, type VisitorStats } from './visitor-gate.ts';
import { VisitorListener } from './visitor-listener.ts';
import { type VisitorsOptions, visitorRules } from './visitor-rules.ts';

export interface EntranceOptions {
  readonly listen: HostAddress;
  readonly reusePort: boolean;
  readonly waitMs: number;
  readonly openTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly visitors: VisitorsOptions;
  readonly bandwidth: BandwidthOptions;
  readonly clock: Clock;
  /** Asked for each visitor that finds no connection idle: returns true when it has taken the visitor over. */
  readonly passOn?: ((socket: Socket, visitor: VisitorInfo) => boolean) | undefined;
}

/** A visitor's place at the gate, kept at its socket, so that all visitors share one listener. */
const kPlace = Symbol('place');
type Placed = Socket & { [kPlace]: VisitorAddress };

function ignore(): void {}

export class Entrance implements TunnelEntrance, VisitorOwner {
  readonly #options: EntranceOptions;
  readonly #source: VisitSource;
  readonly #tunnel: Tunnel;
  readonly #listener: VisitorListener;
  readonly #gate: VisitorGate;
  readonly #guard: DescriptorGuard;
  readonly #leave: (this: Placed) => void;
  readonly #stallWatch: StallWatch;
  readonly bandwidth: Bandwidth | undefined;
  readonly #visitors = new Crowd<Visitor>();
  /** What visitors connect to; unknown where they may come in by any address of the machine, and each must be asked. */
  #local: string | undefined;

  /** @throws InvalidOptionError for `visitors` */
  constructor(options: EntranceOptions, source: VisitSource, tunnel: Tunnel) {
    this.#options = options;
    this.#source = source;
    this.#tunnel = tunnel;
    this.#stallWatch = new StallWatch(options.clock, options.stallTimeoutMs);
    const { clock } = options;
    this.bandwidth = makeBandwidth(options.bandwidth, clock);
    const gate = new VisitorGate(visitorRules(options.visitors), clock);
    this.#gate = gate;
    this.#leave = function () {
      gate.leave(this[kPlace]);
    };
    this.#guard = new DescriptorGuard({
      who: 'visitors',
      spare: spareForVisitors,
      clock,
      onShort: (error) => tunnel.tell('fault', { error }),
    });
    this.#listener = new VisitorListener(
      options.listen,
      options.reusePort,
      (socket) => this.#arrive(socket),
      (error) => tunnel.tell('fault', { error }),
    );
  }

  /** Where visitors connect; undefined while not listening. */
  get address(): HostAddress | undefined {
    return this.#listener.address;
  }

  /** Visitors, those who wait for a connection among them. */
  get visitors(): number {
    return this.#visitors.size;
  }

  /** The gate's numbers, a snapshot. */
  get visitorStats(): VisitorStats {
    return this.#gate.stats;
  }

  /** Replaces the rules for who comes from now on. @throws InvalidOptionError for rules that are wrong; the old ones hold */
  setVisitorRules(visitors: VisitorsOptions): void {
    this.#gate.rules = visitorRules(visitors);
  }

  /** The visits that are on now, without the visitors who wait for a connection. */
  get live(): LiveVisit[] {
    return this.#visitors.all().flatMap(({ relayed }) => relayed ?? []);
  }

  /** Lets visitors in. @throws DialError when the address cannot be listened on */
  async open(): Promise<void> {
    await this.#listener.start();
    const { address } = this;
    if (address !== undefined && !isWildcard(address.host)) this.#local = formatAddress(address);
  }

  /** Lets no visitor in any more; those who are in go on. */
  shut(): void {
    this.#listener.close();
  }

  /** Resolves when nobody is in, or after `graceMs`. */
  empty(graceMs: number): Promise<void> {
    return this.#visitors.empty(this.#options.clock, graceMs);
  }

  /** Breaks off who is still in. */
  abort(reason: string): void {
    for (const visitor of this.#visitors.all()) visitor.abort(reason);
  }

  /**
   * Takes a visitor that was accepted elsewhere, and judged there. Its socket is open for half-closing, and nobody has
   * read from it.
   *
   * @throws InvalidOptionError for addresses that are none
   */
  welcome(socket: Socket, info: VisitorInfo): void {
    const { waitMs, openTimeoutMs, clock } = this.#options;
    const shared = { source: this.#source, stallWatch: this.#stallWatch, bandwidth: this.bandwidth };
    const rules = { ...shared, waitMs, openTimeoutMs, clock };
    const visitor = new Visitor(socket, info, rules, this);
    this.#visitors.add(visitor);
    visitor.start();
  }

  /** @internal */
  onOpened({ info, visit }: Visitor, waitedMs: number): void {
    if (!this.#tunnel.heard('visitOpened') || visit === undefined) return;
    const { connectionId: id, client } = visit;
    this.#tunnel.tell('visitOpened', { remote: info.remote, id, client, waitedMs });
  }

  /** @internal */
  onEnd(visitor: Visitor, reason: RelayEnd, error: Error | undefined): void {
    this.#visitors.delete(visitor);
    const { visit, relayed, info, startedAt } = visitor;
    if (!this.#tunnel.heard('visitClosed') || visit === undefined || relayed === undefined) return;
    const { connectionId: id, client } = visit;
    const { bytesIn, bytesOut } = relayed;
    const durationMs = this.#options.clock.now() - startedAt;
    this.#tunnel.tell('visitClosed', { remote: info.remote, id, client, bytesIn, bytesOut, durationMs, reason, error });
  }

  /** @internal */
  onRefused(visitor: Visitor, waitedMs: number, error: unknown): void {
    this.#visitors.delete(visitor);
    const reason = refusalOf(error);
    if (reason === 'queue-full' || reason === 'timeout') this.#gate.refuse(reason);
    if (!this.#tunnel.heard('visitRefused')) return;
    this.#tunnel.tell('visitRefused', { remote: visitor.info.remote, waitedMs, reason, error });
  }

  #arrive(socket: Socket): void {
    const place = this.#guard.refuses(socket)
      ? this.#gate.refuse('descriptors')
      : this.#gate.enter(socket.remoteAddress);
    if (typeof place === 'string') return this.#refuse(socket, place);
    (socket as Placed)[kPlace] = place;
    socket.on('close', this.#leave);
    const visitor = { remote: remoteOf(socket), local: this.#local ?? localOf(socket) };
    if (this.#source.idle > 0 || !this.#passOn(socket, visitor)) this.welcome(socket, visitor);
  }

  #refuse(socket: Socket, reason: VisitorRefusal): void {
    // Before the socket forgets it.
    const remote = this.#tunnel.heard('visitRefused') ? remoteOf(socket) : undefined;
    breakOff(socket.on('error', ignore));
    if (remote === undefined) return;
    this.#tunnel.tell('visitRefused', { remote, waitedMs: 0, reason, error: new VisitorRefusedError(reason) });
  }

  #passOn(socket: Socket, visitor: VisitorInfo): boolean {
    try {
      return this.#options.passOn?.(socket, visitor) === true;
    } catch (error) {
      throwLater(error);
      return false;
    }
  }
}
