/** The accepting end of the pair: accept → allowed address → TLS → tag → greeting → pooled. */
import type { CloseReason } from '../shared/close-reason.ts';
import { ProtocolError, RejectedError } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { RawConnection } from '../shared/pool/raw-connection.ts';
import type { GroupPicker } from '../shared/pool/idle-list.ts';
import type { Reservation } from '../shared/pool/reservation.ts';
import type { WaitOptions } from '../shared/pool/waiter.ts';
import type { Greeted } from '../shared/session/greeting.ts';
import { makeStrategy, type Strategy } from '../shared/policy/strategy.ts';
import { LoadMeter } from '../shared/load-meter.ts';
import type { DatagramVisit } from '../shared/session/datagram-visit.ts';
import { Liveness } from '../shared/session/liveness.ts';
import { Session } from '../shared/session/session.ts';
import type { Visit } from '../shared/session/visit.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import type { PooledConnection } from '../shared/tunnel/pooled-connection.ts';
import { type VisitorInfo, VisitPool } from '../shared/tunnel/visit-pool.ts';
import { MAX_CONNECTIONS, type Settings } from '../shared/wire/messages.ts';
import type { Arrival } from './arrival.ts';
import { Demand } from './demand.ts';
import type { TlsRenewal } from './door.ts';
import { type RawTenant, ServerListener, type Tenant } from './server-listener.ts';
import { checkServerPoolOptions, type ServerPoolOptions } from './server-pool-options.ts';
import type { ServerPoolStats } from './server-pool-stats.ts';

/** Among clients by a strategy. */
function pickBy(strategy: Strategy): GroupPicker {
  return (groups) => strategy(groups)?.name;
}

/** How long a client that was refused because the pool is full is asked to wait, ms. */
const FULL_RETRY_MS = 1000;

/**
 * Accepts connections from client pools and keeps them ready. With sessions (the default) each lease opens visits, one
 * after the other, or with `opener: 'client'` the clients do; with `session: false` a lease holds a raw socket.
 */
export class ServerPool<S extends boolean = true> extends VisitPool<S> {
  readonly #options: ReturnType<typeof checkServerPoolOptions>;
  readonly #demand: Demand;
  readonly #liveness: Liveness;
  readonly #listener: ServerListener;
  /** Whether the listener is this pool's own, to start and to close. */
  readonly #owns: boolean;
  readonly #tenant: Tenant;
  #turnedAway = 0;
  #starting: Promise<void> | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: ServerPoolOptions<S>) {
    const checked = checkServerPoolOptions(options);
    const { clock, random, keepAliveMs, keepAliveTimeoutMs, stallTimeoutMs, clientStrategy } = checked;
    const core = {
      name: checked.name,
      // How many connections there are, and how long they live, is for the dialling side to say.
      max: checked.maxCapacity,
      capacity: checked.maxCapacity,
      idleTimeoutMs: 0,
      maxLifetimeMs: 0,
      maxWaiting: checked.maxWaiting,
      acquireTimeoutMs: checked.acquireTimeoutMs,
      claimTimeoutMs: checked.claimTimeoutMs,
      leakThresholdMs: checked.leakThresholdMs,
      pickGroup: checked.pickGroup ?? pickBy(makeStrategy(clientStrategy, random)),
      clock,
      random,
    };
    super(core, checked);
    this.#options = checked;
    this.#tenant = {
      tunnel: checked.tunnel,
      has: (id) => this.has(id),
      admit: () => this.#admit(),
      onGreeted: (arrival, greeted, decoder) => this.#onGreeted(arrival, greeted, decoder),
    };
    this.#owns = checked.listener === undefined;
    this.#listener = checked.listener ?? this.#makeListener(checked);
    this.#demand = new Demand(clock, () => this, new LoadMeter(clock));
    this.#liveness = new Liveness({
      clock,
      keepAliveMs,
      mode: 'reap',
      keepAliveTimeoutMs,
      stallTimeoutMs,
      random,
    });
  }

  /** Which side opens visits. */
  get opener(): Settings['opener'] {
    return this.#options.opener;
  }

  /** Where its clients connect: the listener that it was given, or its own, which it starts and closes. */
  get listener(): ServerListener {
    return this.#listener;
  }

  /** The address that clients connect to; undefined before {@link start}. */
  get address(): HostAddress | undefined {
    return this.#listener.address;
  }

  /** The certificate's SHA-256 fingerprint, which clients may pin; undefined before {@link start} and without TLS. */
  get fingerprint(): string | undefined {
    return this.#listener.fingerprint;
  }

  /** Connections that have proved nothing yet. */
  get arriving(): number {
    return this.#listener.arriving;
  }

  override stats(): ServerPoolStats {
    const listener = this.#listener.stats();
    const turnedAway = { ...listener.turnedAway, full: listener.turnedAway.full + this.#turnedAway };
    return { ...super.stats(), ...listener, turnedAway, maxWaiting: this.#options.maxWaiting };
  }

  /**
   * Makes keys and certificate, and listens; with a `listener` of yours, lets the tunnel's clients in there. Further calls
   * wait for the same.
   *
   * @throws DialError when the address cannot be listened on, InvalidOptionError for a certificate that is no good, when a
   *   server of yours can be reached from elsewhere and there is no token, or a short one, and when the tunnel has a pool at
   *   the listener already
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Takes other tokens for who comes from now on; who is in stays. Resolves when the keys are made, which takes about a
   * tenth of a second of CPU for each.
   *
   * @throws InvalidOptionError as for the option `token`, and for none where there was one; then nothing has changed
   */
  async setTokens(token: ServerPoolOptions['token']): Promise<void> {
    await this.#listener.setTokens(token);
  }

  /**
   * Takes another allow list for who comes from now on; who is in stays.
   *
   * @throws InvalidOptionError as for the option `allow`; then nothing has changed
   */
  setAllow(allow: readonly string[]): void {
    this.#listener.setAllow(allow);
  }

  /**
   * Shows another certificate to who comes from now on, or asks for the clients' by other authorities; who is in stays.
   * What is left out stays as it is, and so does the mode.
   *
   * @throws InvalidOptionError naming the `tls.…` option that cannot be used; then nothing has changed
   */
  async setTls(renewal: TlsRenewal): Promise<void> {
    await this.#listener.setTls(renewal);
  }

  /** Asks all its clients for a sign of life at once, on every connection that can answer. @internal */
  askAll(): void {
    this.#liveness.askAll();
  }

  /** Whether nothing was heard of its clients since then, the clock's ms. Never without `keepAliveMs`. @internal */
  silentSince(then: number): boolean {
    return this.#liveness.silentSince(then);
  }

  /** With another client, if one is connected. */
  override openElsewhere(visitor: VisitorInfo, { client }: Visit, options: WaitOptions): Promise<Visit> | undefined {
    const others = this.groups.some(({ name }) => name !== client);
    return others ? this.openVisit(visitor, { ...options, notGroup: client }) : undefined;
  }

  override async close(options?: { graceMs?: number }): Promise<void> {
    await this.#leave();
    await super.close(options);
  }

  override destroy(error?: Error): void {
    void this.#leave();
    this.#demand.stop();
    this.#liveness.stop();
    super.destroy(error);
  }

  protected override shortage(_missing: number, waiting: number): void {
    if (waiting > 0 && this.#options.opener === 'server') this.#demand.raise();
  }

  async #start(): Promise<void> {
    if (!this.ready) return;
    this.#listener.add(this.#tenant);
    if (this.#owns) await this.#listener.start();
  }

  /** Lets nobody in any more. */
  async #leave(): Promise<void> {
    this.#listener.delete(this.#tenant);
    if (this.#owns) await this.#listener.close();
  }

  #makeListener({ own, session }: ReturnType<typeof checkServerPoolOptions>): ServerListener {
    const raw: RawTenant = {
      has: (id) => this.has(id),
      reserve: () => this.reserve(),
      onRaw: ({ id, socket, remote }, room) =>
        (room as Reservation<PooledConnection<S>>).put(
          id,
          new RawConnection(id, socket, remote) as PooledConnection<S>,
        ),
    };
    const listener = new ServerListener(own, session ? undefined : raw);
    listener.on('fault', ({ error }) => {
      this.addError();
      this.tell('fault', { pool: this.name, error });
    });
    listener.on('handshakeFailed', ({ remote, error }) => {
      this.addError();
      if (this.heard('handshakeFailed')) this.tell('handshakeFailed', { pool: this.name, remote, error });
    });
    return listener;
  }

  /** The settings for a client that has proved itself. @throws RejectedError when there is no room for it */
  #admit(): Settings {
    const { opener, maxCapacity, keepAliveMs, worker, workers } = this.#options;
    if (this.size >= this.max) {
      this.#turnedAway += 1;
      // The next dial may reach a process with room.
      if (workers > 1) throw new RejectedError('busy', `worker ${worker} is full (${this.max} connections)`);
      throw new RejectedError('full', `the pool is full (${this.max} connections)`, FULL_RETRY_MS);
    }
    const maxConnections = Math.min(maxCapacity * workers, MAX_CONNECTIONS);
    return { opener, maxConnections, keepAliveMs, worker, workers };
  }

  #onGreeted({ id, socket, remote, startedAt }: Arrival, greeted: Greeted, decoder: FrameDecoder): void {
    const owner = {
      onVisit: (visit: Visit, served: Session) => this.serve(visit, served),
      onDatagrams: (visit: DatagramVisit, served: Session) => this.serve(visit, served),
      onFault: (error: Error) => this.#onFault(error, remote),
      onEnd: (ended: Session, reason: CloseReason) => {
        this.#demand.delete(ended);
        this.#liveness.delete(ended);
        if (reason === 'stalled') this.#liveness.suspect(greeted.client);
      },
    };
    const { clock } = this.#options;
    const session = new Session({ id, socket, decoder, greeted, side: 'server', remote, clock, owner });
    this.#demand.add(session, clock.now() - startedAt);
    this.#liveness.add(session);
    const { client, role, token, tokenExpiresAt = Infinity } = greeted;
    const lifetimeMs = tokenExpiresAt - clock.wallNow();
    this.put(id, session as PooledConnection<S>, { group: client, passive: role === 'acceptor', lifetimeMs, token });
  }

  /** A pooled connection broke. What the network did shows as its close reason; what the peer did is worth a word. */
  #onFault(error: Error, remote: string): void {
    this.addError();
    if (!(error instanceof ProtocolError)) return;
    this.tell('fault', { pool: this.name, error: new ProtocolError(`${remote}: ${error.message}`, { cause: error }) });
  }
}
