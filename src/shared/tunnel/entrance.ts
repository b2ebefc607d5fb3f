/** Where visitors come in: each is handed a pooled connection and talks to the target at the other end. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { VisitorRefusedError, type VisitorRefusal } from '../errors.ts';
import { throwLater } from '../events.ts';
import { formatAddress, type HostAddress, isWildcard, localOf, remoteOf } from '../net/address.ts';
import { DescriptorGuard } from '../net/descriptor-guard.ts';
import { readHosts } from '../net/host-table.ts';
import type { ProxyEnds } from '../net/proxy-header.ts';
import { spareForVisitors } from '../policy/descriptors.ts';
import { breakOff, type RelayEnd } from '../relay/relay.ts';
import { StallWatch } from '../relay/stall-watch.ts';
import { type Bandwidth, type BandwidthOptions, makeBandwidth } from './bandwidth.ts';
import { Crowd } from './crowd.ts';
import type { Guest } from './guest.ts';
import type { PublicListener } from './public-listener.ts';
import { refusalOf } from './refusal.ts';
import type { LiveVisit, Tunnel, TunnelEntrance } from './tunnel.ts';
import type { VisitorInfo, VisitSource } from './visit-pool.ts';
import { Visitor, type VisitorOwner, type VisitorRules } from './visitor.ts';
import type { VisitorAddress } from './visitor-addresses.ts';
import { VisitorGate, type VisitorStats } from './visitor-gate.ts';
import { type VisitorsOptions, visitorRules } from './visitor-rules.ts';

export interface EntranceOptions {
  readonly listener: PublicListener;
  /** Nobody else has the listener: who is turned away there is turned away here. */
  readonly alone: boolean;
  /** As `readHosts` makes them. */
  readonly hosts?: readonly string[] | undefined;
  readonly waitMs: number;
  readonly openTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly visitors: VisitorsOptions;
  readonly bandwidth: BandwidthOptions;
  readonly clock: Clock;
  /** Asked for each visitor that finds no connection idle, unless it was read: returns true when it has taken it over. */
  readonly passOn?: ((socket: Socket, visitor: VisitorInfo) => boolean) | undefined;
}

/** A visitor's place at the gate, kept at its socket, so that all visitors share one listener. */
const kPlace = Symbol('place');
type Placed = Socket & { [kPlace]: VisitorAddress };

function ignore(): void {}

/** The visitor, as a proxy's header has it where there was one. */
function remoteIn(socket: Socket, ends: ProxyEnds | undefined): string {
  return ends === undefined ? remoteOf(socket) : formatAddress(ends.source);
}

export class Entrance implements TunnelEntrance, VisitorOwner, Guest {
  readonly tunnel: Tunnel;
  hosts: readonly string[];
  readonly #options: EntranceOptions;
  readonly #source: VisitSource;
  readonly listener: PublicListener;
  readonly #gate: VisitorGate;
  readonly #guard: DescriptorGuard;
  readonly #leave: (this: Placed) => void;
  readonly bandwidth: Bandwidth | undefined;
  readonly #rules: VisitorRules;
  readonly #visitors = new Crowd<Visitor>();
  /** What visitors connect to; unknown where they may come in by any address of the machine, and each must be asked. */
  #local: string | undefined;

  /** @throws InvalidOptionError for `visitors` */
  constructor(options: EntranceOptions, source: VisitSource, tunnel: Tunnel) {
    this.#options = options;
    this.#source = source;
    this.tunnel = tunnel;
    this.hosts = options.hosts ?? [];
    this.listener = options.listener;
    const { waitMs, openTimeoutMs, clock } = options;
    const stallWatch = new StallWatch(clock, options.stallTimeoutMs);
    const bandwidth = makeBandwidth(options.bandwidth, clock);
    this.bandwidth = bandwidth;
    this.#rules = { source, waitMs, openTimeoutMs, stallWatch, bandwidth, clock };
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
    if (!options.alone) return;
    this.listener.on('fault', (fault) => tunnel.tell('fault', fault));
    this.listener.on('visitRefused', (event) => {
      gate.refuse(event.reason);
      if (tunnel.heard('visitRefused')) tunnel.tell('visitRefused', event);
    });
  }

  /** Where visitors connect; undefined while not listening. */
  get address(): HostAddress | undefined {
    return this.listener.has(this) ? this.listener.address : undefined;
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

  /** Takes other hosts from the next visitor on. @throws InvalidOptionError for `hosts`; then nothing has changed */
  setHosts(hosts: readonly string[]): void {
    // Whether they are another's is asked when the tunnel comes.
    if (!this.listener.has(this)) this.hosts = readHosts('hosts', hosts);
    else this.listener.setHosts(new Map([[this.tunnel, hosts]]));
  }

  /** The visits that are on now, without the visitors who wait for a connection. */
  get live(): LiveVisit[] {
    return this.#visitors.all().flatMap(({ relayed }) => relayed ?? []);
  }

  /** Lets visitors in. @throws DialError when the address cannot be listened on, InvalidOptionError for another's `hosts` */
  async open(): Promise<void> {
    await this.listener.join(this);
    const { address } = this;
    if (address !== undefined && !isWildcard(address.host)) this.#local = formatAddress(address);
  }

  /** Lets no visitor in any more; those who are in go on. */
  shut(): void {
    this.listener.leave(this);
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
    const visitor = new Visitor(socket, info, this.#rules, this);
    this.#visitors.add(visitor);
    visitor.start();
  }

  /** @internal */
  allows(ip: string): boolean {
    return this.#gate.allows(ip);
  }

  /** @internal */
  arrive(socket: Socket): void {
    const place = this.#guard.refuses(socket)
      ? this.#gate.refuse('descriptors')
      : this.#gate.enter(socket.remoteAddress);
    if (typeof place === 'string') return this.#refuse(socket, place);
    this.#settle(socket, place);
    const visitor = { remote: remoteOf(socket), local: this.#local ?? localOf(socket) };
    if (this.#source.idle > 0 || !this.#passOn(socket, visitor)) this.welcome(socket, visitor);
  }

  /** @internal */
  arriveRead(socket: Socket, ends: ProxyEnds | undefined): void {
    const place = this.#gate.enter(ends === undefined ? socket.remoteAddress : ends.source.host);
    if (typeof place === 'string') return this.#refuse(socket, place, ends);
    this.#settle(socket, place);
    const local = ends === undefined ? (this.#local ?? localOf(socket)) : formatAddress(ends.destination);
    this.welcome(socket, { remote: remoteIn(socket, ends), local });
  }

  /** @internal */
  onOpened({ info, visit }: Visitor, waitedMs: number): void {
    if (!this.tunnel.heard('visitOpened') || visit === undefined) return;
    const { connectionId: id, client } = visit;
    this.tunnel.tell('visitOpened', { remote: info.remote, id, client, waitedMs });
  }

  /** @internal */
  onEnd(visitor: Visitor, reason: RelayEnd, error: Error | undefined): void {
    this.#visitors.delete(visitor);
    const { visit, relayed, info, startedAt } = visitor;
    if (!this.tunnel.heard('visitClosed') || visit === undefined || relayed === undefined) return;
    const { connectionId: id, client } = visit;
    const { bytesIn, bytesOut } = relayed;
    const durationMs = this.#options.clock.now() - startedAt;
    this.tunnel.tell('visitClosed', { remote: info.remote, id, client, bytesIn, bytesOut, durationMs, reason, error });
  }

  /** @internal */
  onRefused(visitor: Visitor, waitedMs: number, error: unknown): void {
    this.#visitors.delete(visitor);
    const reason = refusalOf(error);
    if (reason === 'queue-full' || reason === 'timeout') this.#gate.refuse(reason);
    if (!this.tunnel.heard('visitRefused')) return;
    this.tunnel.tell('visitRefused', { remote: visitor.info.remote, waitedMs, reason, error });
  }

  #settle(socket: Socket, place: VisitorAddress): void {
    (socket as Placed)[kPlace] = place;
    socket.on('close', this.#leave);
  }

  #refuse(socket: Socket, reason: VisitorRefusal, ends?: ProxyEnds): void {
    // Before the socket forgets it.
    const remote = this.tunnel.heard('visitRefused') ? remoteIn(socket, ends) : undefined;
    breakOff(socket.on('error', ignore));
    if (remote === undefined) return;
    this.tunnel.tell('visitRefused', { remote, waitedMs: 0, reason, error: new VisitorRefusedError(reason) });
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
