/** The listening side of a server pool: lets connections in, and never waits for one of them before the next. */
import { createServer, type Server, type Socket } from 'node:net';
import { AddressRefusedError, DialError, reasonOf } from '../shared/errors.ts';
import { formatAddress, type HostAddress, normaliseIp, remoteOf } from '../shared/net/address.ts';
import type { AllowList } from '../shared/net/allow-list.ts';
import { DescriptorGuard } from '../shared/net/descriptor-guard.ts';
import { listenOptions, SOCKET_OPTIONS, tuneSocket } from '../shared/net/socket-options.ts';
import { spareForConnections } from '../shared/policy/descriptors.ts';
import type { Greeted } from '../shared/session/greeting.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import { newId } from '../shared/wire/tag.ts';
import { Arrival, type ArrivalOwner, type ArrivalRules } from './arrival.ts';
import { type HandshakeSlot, HandshakeSlots } from './handshake-slots.ts';

export interface AcceptorOptions {
  /** Where to listen, or a server of the caller's, which the caller closes. */
  readonly listen: HostAddress | Server;
  readonly reusePort: boolean;
  readonly allow: AllowList;
  /** TCP keep-alive, ms; 0 off. */
  readonly keepAliveMs: number;
  readonly maxHandshakes: number;
  readonly maxHandshakesPerAddress: number;
}

/** Room kept for a raw connection; given back when it does not come. */
export interface Room {
  cancel(): void;
}

/** What becomes of the connections. Every call comes from a socket handler. */
export interface AcceptorOwner<R extends Room> {
  /** Whether a live connection has this ID. */
  has(id: string): boolean;
  /** Keeps room for a raw connection; undefined when there is none. */
  reserve(): R | undefined;
  onRaw(arrival: Arrival, room: R): void;
  onGreeted(arrival: Arrival, greeted: Greeted, decoder: FrameDecoder): void;
  /** A connection was turned away or broke (`remote` says which), or the listener is in trouble. */
  onFailed(error: Error, remote: string | undefined): void;
}

/** Said to a connection whose place is needed for a newer one. */
const EVICTED = 'too many connections are under way, and this one had proved nothing yet';

/** Said to a connection that comes too late. */
const CLOSING = 'the pool is closing';

export class Acceptor<R extends Room> implements ArrivalOwner {
  readonly #options: AcceptorOptions;
  readonly #rules: ArrivalRules;
  readonly #owner: AcceptorOwner<R>;
  readonly #slots: HandshakeSlots;
  readonly #arrivals = new Map<string, { readonly slot: HandshakeSlot; readonly room: R | undefined }>();
  readonly #guard: DescriptorGuard;
  #server: Server | undefined;
  #closed = false;

  constructor(options: AcceptorOptions, rules: ArrivalRules, owner: AcceptorOwner<R>) {
    this.#options = options;
    this.#rules = rules;
    this.#owner = owner;
    this.#guard = new DescriptorGuard({
      who: 'clients',
      spare: spareForConnections,
      clock: rules.clock,
      onShort: (error) => owner.onFailed(error, undefined),
    });
    this.#slots = new HandshakeSlots(options.maxHandshakes, options.maxHandshakesPerAddress);
  }

  /** Connections that have proved nothing yet. */
  get arriving(): number {
    return this.#slots.size;
  }

  /** The address listened on; undefined before {@link start} and on a unix socket. */
  get address(): HostAddress | undefined {
    const address = this.#server?.address();
    if (address === null || typeof address !== 'object') return undefined;
    return { host: address.address, port: address.port };
  }

  /**
   * Begins to accept.
   *
   * @throws DialError when the address cannot be listened on
   */
  async start(): Promise<void> {
    const { listen } = this.#options;
    if ('on' in listen) {
      this.#server = listen.on('connection', this.#accept);
      return;
    }
    const server = createServer(SOCKET_OPTIONS);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new DialError('connect', `cannot listen on ${formatAddress(listen)}: ${reasonOf(cause)}`, { cause }));
      });
      server.listen(listenOptions(listen, this.#options.reusePort), resolve);
    });
    if (this.#closed) return void server.close();
    this.#server = server.removeAllListeners('error').on('error', this.#onServerError).on('connection', this.#accept);
  }

  /** Stops accepting, and drops what has not arrived. Resolves when the port is free. */
  async close(): Promise<void> {
    this.#closed = true;
    const server = this.#server;
    server?.off('connection', this.#accept);
    this.#slots.clear();
    if (server === undefined || server === this.#options.listen || !server.listening) return;
    await new Promise<void>((resolve) => {
      // Pooled connections may outlive the listener; only the port matters here.
      server.close(() => resolve());
      resolve();
    });
  }

  /** @internal */
  onRaw(arrival: Arrival): void {
    this.#owner.onRaw(arrival, this.#leave(arrival)?.room as R);
  }

  /** @internal */
  onGreeted(arrival: Arrival, greeted: Greeted, decoder: FrameDecoder): void {
    this.#leave(arrival);
    this.#owner.onGreeted(arrival, greeted, decoder);
  }

  /** @internal */
  onFailed(arrival: Arrival, error: Error): void {
    this.#leave(arrival)?.room?.cancel();
    this.#owner.onFailed(error, arrival.remote);
  }

  readonly #onServerError = (error: Error): void => this.#owner.onFailed(error, undefined);

  readonly #accept = (socket: Socket): void => {
    // Said once, not for each of them.
    if (this.#guard.refuses(socket)) return void socket.on('error', () => {}).destroy();
    const remote = remoteOf(socket);
    // Unknown on a unix socket, and when the peer has reset the connection before it was accepted.
    const ip = socket.remoteAddress;
    if (!this.#options.allow.allows(ip)) {
      return this.#refuse(socket, remote, new AddressRefusedError(`${ip ?? remote} is not in the allow list`));
    }
    const raw = this.#rules.greeting === undefined;
    const room = raw ? this.#owner.reserve() : undefined;
    if (raw && room === undefined) {
      return this.#refuse(socket, remote, new DialError('tag', 'the pool is full; raise its maximum'));
    }
    tuneSocket(socket, this.#options.keepAliveMs);
    const taken = (id: string): boolean => this.#arrivals.has(id) || this.#owner.has(id);
    const arrival = new Arrival(newId(this.#rules.idFormat, taken), remote, socket, this.#rules, this);
    const slot = this.#slots.take(ip === undefined ? remote : normaliseIp(ip), () =>
      arrival.fail(new DialError('greeting', this.#closed ? CLOSING : EVICTED)),
    );
    this.#arrivals.set(arrival.id, { slot, room });
    arrival.start();
  };

  #refuse(socket: Socket, remote: string, error: Error): void {
    socket.on('error', () => {});
    socket.destroy();
    this.#owner.onFailed(error, remote);
  }

  #leave(arrival: Arrival): { readonly room: R | undefined } | undefined {
    const known = this.#arrivals.get(arrival.id);
    if (known === undefined) return undefined;
    this.#arrivals.delete(arrival.id);
    this.#slots.release(known.slot);
    return known;
  }
}
