/** Where visitors come in: each is handed a pooled connection and talks to the target at the other end. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { throwLater } from '../events.ts';
import { formatAddress, type HostAddress, isWildcard, localOf, remoteOf } from '../net/address.ts';
import type { RelayEnd } from '../relay/relay.ts';
import { StallWatch } from '../relay/stall-watch.ts';
import type { Visit } from '../session/visit.ts';
import { Crowd } from './crowd.ts';
import { refusalOf } from './refusal.ts';
import type { Tunnel } from './tunnel.ts';
import type { VisitorInfo, VisitSource } from './visit-pool.ts';
import { Visitor, type VisitorOwner } from './visitor.ts';
import { VisitorListener } from './visitor-listener.ts';

export interface EntranceOptions {
  readonly listen: HostAddress;
  readonly reusePort: boolean;
  readonly waitMs: number;
  readonly openTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  /** Asked for each visitor that finds no connection idle: returns true when it has taken the visitor over. */
  readonly passOn?: ((socket: Socket, visitor: VisitorInfo) => boolean) | undefined;
}

export class Entrance implements VisitorOwner {
  readonly #options: EntranceOptions;
  readonly #source: VisitSource;
  readonly #tunnel: Tunnel;
  readonly #listener: VisitorListener;
  readonly #stallWatch: StallWatch;
  readonly #visitors = new Crowd<Visitor>();
  /** What visitors connect to; unknown where they may come in by any address of the machine, and each must be asked. */
  #local: string | undefined;

  constructor(options: EntranceOptions, source: VisitSource, tunnel: Tunnel) {
    this.#options = options;
    this.#source = source;
    this.#tunnel = tunnel;
    this.#stallWatch = new StallWatch(options.clock, options.stallTimeoutMs);
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

  /** The visits that are on now, without the visitors who wait for a connection. */
  get live(): Visit[] {
    return this.#visitors.all().flatMap(({ visit }) => visit ?? []);
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
   * Takes a visitor that was accepted elsewhere. Its socket is open for half-closing, and nobody has read from it.
   *
   * @throws InvalidOptionError for addresses that are none
   */
  welcome(socket: Socket, info: VisitorInfo): void {
    const { waitMs, openTimeoutMs, clock } = this.#options;
    const rules = { source: this.#source, waitMs, openTimeoutMs, clock, stallWatch: this.#stallWatch };
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
    const { visit, info, startedAt } = visitor;
    if (!this.#tunnel.heard('visitClosed') || visit === undefined) return;
    const { connectionId: id, client, bytesIn, bytesOut } = visit;
    const durationMs = this.#options.clock.now() - startedAt;
    this.#tunnel.tell('visitClosed', { remote: info.remote, id, client, bytesIn, bytesOut, durationMs, reason, error });
  }

  /** @internal */
  onRefused(visitor: Visitor, waitedMs: number, error: unknown): void {
    this.#visitors.delete(visitor);
    if (!this.#tunnel.heard('visitRefused')) return;
    const { remote } = visitor.info;
    this.#tunnel.tell('visitRefused', { remote, waitedMs, reason: refusalOf(error), error });
  }

  #arrive(socket: Socket): void {
    const visitor = { remote: remoteOf(socket), local: this.#local ?? localOf(socket) };
    if (this.#source.idle > 0 || !this.#passOn(socket, visitor)) this.welcome(socket, visitor);
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
