/** The public end of a tunnel: each visitor is handed a pooled connection and talks to the target behind it. */
import type { Socket } from 'node:net';
import * as v from 'valibot';
import { type Clock, systemClock } from '../shared/clock.ts';
import { Events, throwLater } from '../shared/events.ts';
import { formatAddress, type HostAddress, isWildcard, localOf, remoteOf } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { checkOptions, instance, milliseconds, wholeNumber } from '../shared/options.ts';
import type { RelayEnd } from '../shared/relay/relay.ts';
import { Crowd } from '../shared/relay/crowd.ts';
import { StallWatch } from '../shared/relay/stall-watch.ts';
import type { VisitEventMap } from '../shared/relay/visit-events.ts';
import { PublicListener } from './public-listener.ts';
import type { ServerPool, VisitorInfo } from './server-pool.ts';
import { ServerVisit, type ServerVisitOwner } from './server-visit.ts';

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

export interface TunnelServerOptions {
  /** A pool with sessions; the tunnel starts and closes it. */
  readonly pool: ServerPool;
  /** Where visitors connect: `host:port`; port 0 takes a free one. */
  readonly public: string | HostAddress;
  /** Lets other processes listen on the same port, where Node can (22.12 and later); the system spreads visitors. */
  readonly reusePort?: boolean;
  /**
   * Asked for each visitor that finds no connection idle: returns true when it has taken the visitor over, for instance
   * to hand it to another process. Otherwise the visitor waits here.
   */
  readonly passOn?: (socket: Socket, visitor: VisitorInfo) => boolean;
  /** How long a visitor waits for a connection before it is reset, ms. Default 5000. */
  readonly waitMs?: number;
  /** How long the other side may take to say anything about a visit, ms. Default 8000. */
  readonly openTimeoutMs?: number;
  /** A visit that is blocked and moved no byte for so long is reset, ms; 0 never. Default 600000. */
  readonly stallTimeoutMs?: number;
  readonly clock?: Clock;
}

const schema = v.strictObject({
  pool: instance<ServerPool>('a ServerPool'),
  public: v.union([v.string(), v.object({ host: v.string(), port: wholeNumber(0, 65535) })], 'wants host:port'),
  reusePort: v.optional(v.boolean('wants true or false'), false),
  passOn: v.optional(
    v.custom<NonNullable<TunnelServerOptions['passOn']>>((value) => typeof value === 'function', 'wants a function'),
  ),
  waitMs: v.optional(milliseconds(), 5000),
  openTimeoutMs: v.optional(milliseconds(1), 8000),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
});

export class TunnelServer extends Events<VisitEventMap> implements ServerVisitOwner, AsyncDisposable {
  readonly #options: v.InferOutput<typeof schema>;
  readonly #listener: PublicListener;
  readonly #stallWatch: StallWatch;
  readonly #visits = new Crowd<ServerVisit>();
  /** What visitors connect to; unknown where they may come in by any address of the machine, and each must be asked. */
  #local: string | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: TunnelServerOptions) {
    super('tunnel');
    const checked = checkOptions(schema, options);
    this.#options = checked;
    this.#stallWatch = new StallWatch(checked.clock, checked.stallTimeoutMs);
    this.#listener = new PublicListener(
      listenOption('public', checked.public),
      checked.reusePort,
      (socket) => this.#arrive(socket),
      (error) => this.tell('fault', { error }),
    );
  }

  get pool(): ServerPool {
    return this.#options.pool;
  }

  /** Where visitors connect; undefined before {@link start}. */
  get address(): HostAddress | undefined {
    return this.#listener.address;
  }

  /** Visitors, those who wait for a connection among them. */
  get visitors(): number {
    return this.#visits.size;
  }

  /**
   * Starts the pool, then lets visitors in.
   *
   * @throws DialError when an address cannot be listened on, InvalidOptionError for a certificate that is no good
   */
  async start(): Promise<void> {
    try {
      await this.pool.start();
      if (this.pool.ready) await this.#listener.start();
      const { address } = this;
      if (address !== undefined && !isWildcard(address.host)) this.#local = formatAddress(address);
      // Closed in the meantime.
      if (!this.pool.ready) this.#listener.close();
    } catch (error) {
      this.pool.destroy();
      throw error;
    }
  }

  /** Lets no visitor in, lets those who are in end until the grace is over, then closes everything. */
  async close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    const { clock, pool } = this.#options;
    this.#listener.close();
    // Together: clients hear at once that no new visit comes, and a visitor's last bytes may outlast its visit.
    await Promise.all([pool.close({ graceMs }), this.#visits.empty(clock, graceMs)]);
    for (const visit of this.#visits.all()) visit.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  onOpened(visit: ServerVisit, waitedMs: number): void {
    if (!this.heard('visitOpened')) return;
    this.tell('visitOpened', { remote: visit.visitor.remote, id: visit.visit?.connectionId ?? '', waitedMs });
  }

  /** @internal */
  onEnd(visit: ServerVisit, reason: RelayEnd, error: Error | undefined): void {
    this.#visits.delete(visit);
    if (!this.heard('visitClosed') || visit.visit === undefined) return;
    const { connectionId, bytesIn, bytesOut } = visit.visit;
    const durationMs = this.#options.clock.now() - visit.startedAt;
    const { remote } = visit.visitor;
    this.tell('visitClosed', { remote, id: connectionId, bytesIn, bytesOut, durationMs, reason, error });
  }

  /** @internal */
  onRefused(visit: ServerVisit, waitedMs: number, error: unknown): void {
    this.#visits.delete(visit);
    if (this.heard('visitRefused')) this.tell('visitRefused', { remote: visit.visitor.remote, waitedMs, error });
  }

  /**
   * Takes a visitor that was accepted elsewhere. Its socket is open for half-closing, and nobody has read from it.
   *
   * @throws InvalidOptionError for addresses that are none
   */
  welcome(socket: Socket, visitor: VisitorInfo): void {
    const { pool, waitMs, openTimeoutMs, clock } = this.#options;
    const rules = { pool, waitMs, openTimeoutMs, clock, stallWatch: this.#stallWatch };
    const visit = new ServerVisit(socket, visitor, rules, this);
    this.#visits.add(visit);
    visit.start();
  }

  #passOn(socket: Socket, visitor: VisitorInfo): boolean {
    try {
      return this.#options.passOn?.(socket, visitor) === true;
    } catch (error) {
      throwLater(error);
      return false;
    }
  }

  #arrive(socket: Socket): void {
    const visitor = { remote: remoteOf(socket), local: this.#local ?? localOf(socket) };
    if (this.pool.idle > 0 || !this.#passOn(socket, visitor)) this.welcome(socket, visitor);
  }
}
