/** Where clients connect: one address, one certificate and the tokens, for the pool of one tunnel or for those of several. */
import { DialError, InvalidOptionError, PooldError, reasonOf, RejectedError } from '../shared/errors.ts';
import { Events } from '../shared/events.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { tokensFault } from '../shared/session/check-token.ts';
import type { Greeted } from '../shared/session/greeting.ts';
import type { TokenTerms } from '../shared/session/token-ring.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import type { Hello, PublishInfo, Settings } from '../shared/wire/messages.ts';
import { Acceptor, type AcceptorOwner, type Room } from './acceptor.ts';
import type { Arrival } from './arrival.ts';
import { Door, type TlsRenewal } from './door.ts';
import { checkServerListenerOptions, type ServerListenerOptions } from './server-listener-options.ts';
import type { ListenerStats, TurnedAwayCounts } from './server-pool-stats.ts';

/** A connection was turned away before it was pooled. */
export interface ListenerHandshakeFailedEvent {
  /** The other end, `ip:port`. */
  readonly remote: string;
  readonly error: PooldError;
}

export interface ListenerEventMap {
  handshakeFailed: [ListenerHandshakeFailedEvent];
  fault: [{ readonly error: PooldError }];
}

/** A tunnel's pool as its listener knows it. */
export interface Tenant {
  readonly tunnel: string;
  /** Whether a live connection of it has this ID. */
  has(id: string): boolean;
  /** The settings for a client that has proved itself. @throws RejectedError when there is no room for it */
  admit(): Settings;
  onGreeted(arrival: Arrival, greeted: Greeted, decoder: FrameDecoder): void;
}

/** Takes raw connections, which belong to no tunnel: whoever connects is its. */
export type RawTenant = Pick<AcceptorOwner<Room>, 'has' | 'reserve' | 'onRaw'>;

/** What a client that has proved its token wants to publish, and who it is. */
export interface PublishRequest extends PublishInfo {
  readonly tunnel: string;
  /** The client process, 32 hex characters. */
  readonly client: string;
  /** Its token's name, or what stands for it where it has none. */
  readonly owner: string;
  /** When its token ends, ms since 1970; Infinity for never. */
  readonly goodUntil: number;
}

/** Makes tunnels for clients that ask for a public port. */
export interface Publisher {
  /** Whether it has made, or is making, the tunnel of that name. */
  has(tunnel: string): boolean;
  /**
   * Makes the tunnel, whose pool is a tenant when this resolves; undefined when it is there, and the client may come in now.
   *
   * @throws RejectedError when it may not, also by the promise
   */
  publish(request: PublishRequest): Promise<void> | undefined;
}

/** Accepts the connections of clients, and hands each to the pool of the tunnel that it names. */
export class ServerListener extends Events<ListenerEventMap> implements AsyncDisposable {
  readonly #options: ReturnType<typeof checkServerListenerOptions>;
  readonly #raw: RawTenant | undefined;
  readonly #tenants = new Map<string, Tenant>();
  readonly #door: Door;
  readonly #turnedAway: TurnedAwayCounts = { evicted: 0, late: 0, address: 0, full: 0, busy: 0, descriptors: 0 };
  #acceptor: Acceptor<Room> | undefined;
  #starting: Promise<void> | undefined;
  #closed = false;
  /** What counts, or will when the keys are made. */
  #token: ServerListenerOptions['token'];
  #publisher: Publisher | undefined;

  /**
   * @param raw takes all connections as they are, without a greeting @internal
   * @throws InvalidOptionError naming the option
   */
  constructor(options: ServerListenerOptions, raw?: RawTenant) {
    super('listener');
    const checked = checkServerListenerOptions(options, raw === undefined);
    this.#options = checked;
    this.#raw = raw;
    this.#token = checked.token;
    this.#door = new Door(
      { ...checked, session: raw === undefined },
      {
        hasTunnel: (wanted) => this.#tenants.has(wanted),
        admit: ({ tunnel }) => {
          const tenant = this.#tenants.get(tunnel);
          if (tenant === undefined) throw new RejectedError('tunnel', `there is no tunnel named ${tunnel} here`);
          return tenant.admit();
        },
        prepare: (hello, terms) => this.#prepare(hello, terms),
      },
    );
  }

  /** The address that clients connect to; undefined before {@link start}. */
  get address(): HostAddress | undefined {
    return this.#acceptor?.address;
  }

  /** The certificate's SHA-256 fingerprint, which clients may pin; undefined before {@link start} and without TLS. */
  get fingerprint(): string | undefined {
    return this.#door.fingerprint;
  }

  /** Connections that have proved nothing yet. */
  get arriving(): number {
    return this.#acceptor?.arriving ?? 0;
  }

  /** A snapshot of its numbers. */
  stats(): ListenerStats {
    const { waiting = 0, failures = 0, slowed = 0 } = this.#acceptor?.proofs ?? {};
    const { maxHandshakes, maxHandshakesPerAddress } = this.#options;
    return {
      arriving: this.arriving,
      waitingGreetings: waiting,
      failedGreetings: failures,
      slowedAddresses: slowed,
      turnedAway: { ...this.#turnedAway },
      maxHandshakes,
      maxHandshakesPerAddress,
    };
  }

  /**
   * Makes keys and certificate, and listens. Further calls wait for the same.
   *
   * @throws DialError when the address cannot be listened on, InvalidOptionError for a certificate that is no good, and when
   *   a server of yours can be reached from elsewhere and there is no token, or a short one
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Lets nobody in any more; who is in a pool stays. Resolves when the port is free. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#acceptor?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Takes other tokens for who comes from now on; who is in stays. Resolves when the keys are made, which takes about a
   * tenth of a second of CPU for each.
   *
   * @throws InvalidOptionError as for the option `token`, and for none where there was one; then nothing has changed
   */
  async setTokens(token: ServerListenerOptions['token']): Promise<void> {
    if (token === undefined && this.#token !== undefined) {
      throw new InvalidOptionError('token', 'is missing, and without any everybody would get in; give at least one');
    }
    const tokens = this.#options.checkToken(token);
    this.#token = token;
    await this.#door.setTokens(tokens);
    for (const tunnel of this.#tenants.keys()) this.#sayUseless(tunnel);
  }

  /**
   * Takes another allow list for who comes from now on; who is in stays.
   *
   * @throws InvalidOptionError as for the option `allow`; then nothing has changed
   */
  setAllow(allow: readonly string[]): void {
    this.#door.setAllow(allow);
  }

  /**
   * Shows another certificate to who comes from now on, or asks for the clients' by other authorities; who is in stays.
   * What is left out stays as it is, and so does the mode.
   *
   * @throws InvalidOptionError naming the `tls.…` option that cannot be used; then nothing has changed
   */
  async setTls(renewal: TlsRenewal): Promise<void> {
    await this.#door.setTls(renewal);
  }

  /** Lets a tunnel's clients in. @throws InvalidOptionError when it has a pool already @internal */
  add(tenant: Tenant): void {
    const { tunnel } = tenant;
    if (this.#tenants.has(tunnel))
      throw new InvalidOptionError('tunnel', `${tunnel} has a pool at this listener already`);
    this.#tenants.set(tunnel, tenant);
    if (this.#acceptor !== undefined) this.#sayUseless(tunnel);
  }

  /** A client of the tunnel that comes from now on hears that there is none. @internal */
  delete(tenant: Tenant): void {
    if (this.#tenants.get(tenant.tunnel) === tenant) this.#tenants.delete(tenant.tunnel);
  }

  /**
   * Lets clients ask for public ports.
   *
   * @throws InvalidOptionError when anybody could, for want of a token, or when there is a publisher already
   * @internal
   */
  setPublisher(publisher: Publisher): void {
    if (this.#token === undefined) {
      const why =
        'is missing, and without any everybody who connects could open ports here; make one with `poold token`';
      throw new InvalidOptionError('token', why);
    }
    if (this.#publisher !== undefined) {
      throw new InvalidOptionError('listener', 'publishes already; give all ranges at once');
    }
    this.#publisher = publisher;
  }

  /** A client that asks for a port from now on hears that none is to be had. @internal */
  deletePublisher(publisher: Publisher): void {
    if (this.#publisher === publisher) this.#publisher = undefined;
  }

  /** @throws RejectedError for a client that wants what it cannot have */
  #prepare({ tunnel, client, kid, publish }: Hello, terms: TokenTerms): Promise<void> | undefined {
    const publisher = this.#publisher;
    const made = publisher?.has(tunnel) === true;
    if (publish === undefined) {
      if (!made) return undefined;
      throw new RejectedError('tunnel', `the tunnel ${tunnel} is one that a client publishes; publish its port, too`);
    }
    if (publisher === undefined) {
      throw new RejectedError('tunnel', 'this server opens no ports for clients; leave publish out, or allow it there');
    }
    if (!made && this.#tenants.has(tunnel)) {
      const why = `the tunnel ${tunnel} is the server's own`;
      throw new RejectedError('tunnel', `${why}; choose another name, or leave publish out`);
    }
    const { name = kid, expiresAt = Infinity } = terms;
    return publisher.publish({ ...publish, tunnel, client, owner: name, goodUntil: expiresAt });
  }

  async #start(): Promise<void> {
    this.#options.checkToken(this.#token);
    await this.#door.prepare();
    if (this.#closed) return;
    const raw = this.#raw;
    const owner: AcceptorOwner<Room> = {
      has: (id) => raw?.has(id) ?? this.#has(id),
      reserve: () => raw?.reserve(),
      onRaw: (arrival, room) => raw?.onRaw(arrival, room),
      onGreeted: (arrival, greeted, decoder) => {
        const tenant = this.#tenants.get(greeted.tunnel);
        // Its pool may have gone since it was let in.
        if (tenant === undefined) arrival.socket.destroy();
        else tenant.onGreeted(arrival, greeted, decoder);
      },
      onFailed: (error, remote) => this.#onFailed(error, remote),
    };
    this.#acceptor = new Acceptor({ ...this.#options, turnedAway: this.#turnedAway }, this.#door, owner);
    await this.#acceptor.start();
    for (const tunnel of this.#tenants.keys()) this.#sayUseless(tunnel);
  }

  #has(id: string): boolean {
    for (const tenant of this.#tenants.values()) if (tenant.has(id)) return true;
    return false;
  }

  /** Tokens that let nobody in are a mistake of somebody's, and may be the beginning of a change. */
  #sayUseless(tunnel: string): void {
    const tokens = this.#options.checkToken(this.#token);
    const error = tokensFault(tokens, tunnel, this.#options.clock.wallNow());
    if (error !== undefined) this.tell('fault', { error });
  }

  #onFailed(cause: Error, remote: string | undefined): void {
    const error = cause instanceof PooldError ? cause : new DialError('connect', reasonOf(cause), { cause });
    if (remote === undefined) this.tell('fault', { error });
    else if (this.heard('handshakeFailed')) this.tell('handshakeFailed', { remote, error });
  }
}
