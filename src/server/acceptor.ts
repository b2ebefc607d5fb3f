/** The listening side of a server pool: lets connections in, and never waits for one of them before the next. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../shared/clock.ts';
import { AddressRefusedError, DialError, HandshakeTimeoutError, reasonOf, RejectedError } from '../shared/errors.ts';
import { formatAddress, type HostAddress, remoteOf } from '../shared/net/address.ts';
import type { AddressRules } from '../shared/net/address-rules.ts';
import { DescriptorGuard } from '../shared/net/descriptor-guard.ts';
import { networkOf } from '../shared/net/network.ts';
import { listenOptions, SOCKET_OPTIONS, tuneSocket } from '../shared/net/socket-options.ts';
import { spareForConnections } from '../shared/policy/descriptors.ts';
import { type Greeted, NO_PROOF } from '../shared/session/greeting.ts';
import { type HandshakeSlot, HandshakeSlots } from '../shared/tunnel/handshake-slots.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import type { HelloInfo } from '../shared/wire/messages.ts';
import { newId } from '../shared/wire/tag.ts';
import { Arrival, type ArrivalOwner, type ArrivalRules } from './arrival.ts';
import { type Proof, ProofQueue } from './proof-queue.ts';
import type { TurnedAwayCounts } from './server-pool-stats.ts';

export interface AcceptorOptions {
  /** Where to listen, or a server of the caller's, which the caller closes. */
  readonly listen: HostAddress | Server;
  readonly reusePort: boolean;
  /** TCP keep-alive, ms; 0 off. */
  readonly keepAliveMs: number;
  readonly maxHandshakes: number;
  readonly maxHandshakesPerAddress: number;
  /** Counted on for each connection that is turned away here. */
  readonly turnedAway: TurnedAwayCounts;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What the next connection is let in by. Asked for each, because it may change. */
export interface AcceptorDoor {
  readonly allow: AddressRules;
  readonly rules: ArrivalRules;
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

/** Said to a client behind an address from which others guess tokens. */
const QUEUED =
  'too many wrong greetings come from this address, and those of new clients wait in line; trying again helps';

/** An arrival and what it holds. */
interface Arriving<R> {
  readonly slot: HandshakeSlot;
  readonly room: R | undefined;
  /** Its descriptor is one of those that are kept for others. */
  readonly beyond: boolean;
  /** From its HELLO on. */
  proof: Proof | undefined;
}

export class Acceptor<R extends Room> implements ArrivalOwner {
  readonly #options: AcceptorOptions;
  readonly #door: AcceptorDoor;
  readonly #owner: AcceptorOwner<R>;
  readonly #slots: HandshakeSlots;
  readonly #proofs: ProofQueue;
  readonly #arrivals = new Map<string, Arriving<R>>();
  readonly #guard: DescriptorGuard;
  /**
   * Arrivals that have a descriptor beyond the limit. As long as there are any, each newcomer takes another one's place:
   * it may have one within, which an eviction has just freed, and would be one more.
   */
  #beyond = 0;
  #server: Server | undefined;
  #closed = false;

  constructor(options: AcceptorOptions, door: AcceptorDoor, owner: AcceptorOwner<R>) {
    this.#options = options;
    this.#door = door;
    this.#owner = owner;
    this.#guard = new DescriptorGuard({
      who: 'clients',
      spare: spareForConnections,
      clock: options.clock,
      onShort: (error) => owner.onFailed(error, undefined),
    });
    this.#slots = new HandshakeSlots(options.maxHandshakes, options.maxHandshakesPerAddress);
    this.#proofs = new ProofQueue(options);
  }

  /** Connections that have proved nothing yet. */
  get arriving(): number {
    return this.#slots.size;
  }

  /** What came of greetings so far, and of the addresses that have failed. */
  get proofs(): Pick<ProofQueue, 'waiting' | 'failures' | 'slowed'> {
    return this.#proofs;
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
    this.#proofs.stop();
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
  onHello(arrival: Arrival, hello: HelloInfo, judge: () => void): void {
    const known = this.#arrivals.get(arrival.id);
    if (known === undefined) return;
    const giveUp = (): void => {
      this.#options.turnedAway.busy += 1;
      arrival.fail(new RejectedError('busy', QUEUED));
    };
    const refuse = (): void => arrival.fail(new RejectedError('auth', NO_PROOF));
    const { address } = known.slot;
    known.proof = { address, caller: hello, since: arrival.startedAt, judge, refuse, giveUp };
    this.#proofs.enter(known.proof);
  }

  /** @internal */
  onWrongProof({ id }: Arrival): void {
    const proof = this.#arrivals.get(id)?.proof;
    if (proof !== undefined) this.#proofs.refused(proof);
  }

  /** @internal */
  onGreeted(arrival: Arrival, greeted: Greeted, decoder: FrameDecoder): void {
    const { proof } = this.#leave(arrival) ?? {};
    this.#owner.onGreeted(arrival, greeted, decoder);
    if (proof !== undefined) this.#proofs.welcomed(proof);
  }

  /** @internal */
  onFailed(arrival: Arrival, error: Error): void {
    if (error instanceof HandshakeTimeoutError) this.#options.turnedAway.late += 1;
    this.#leave(arrival)?.room?.cancel();
    this.#owner.onFailed(error, arrival.remote);
  }

  readonly #onServerError = (error: Error): void => this.#owner.onFailed(error, undefined);

  readonly #accept = (socket: Socket): void => {
    const remote = remoteOf(socket);
    // Unknown on a unix socket, and when the peer has reset the connection before it was accepted.
    const ip = socket.remoteAddress;
    const { turnedAway } = this.#options;
    if (!this.#door.allow.allows(ip)) {
      turnedAway.address += 1;
      return this.#refuse(socket, remote, new AddressRefusedError(`${ip ?? remote} is not in the allow list`));
    }
    const { rules } = this.#door;
    const raw = rules.greeting === undefined;
    const room = raw ? this.#owner.reserve() : undefined;
    if (raw && room === undefined) {
      turnedAway.full += 1;
      return this.#refuse(socket, remote, new DialError('tag', 'the pool is full; raise its maximum'));
    }
    const excess = this.#guard.excess(socket);
    if (!this.#slots.evict(Math.max(excess, this.#beyond > 0 ? 1 : 0))) {
      turnedAway.descriptors += 1;
      room?.cancel();
      // The guard has said it once; not for each of them.
      return void socket.on('error', () => {}).destroy();
    }
    tuneSocket(socket, this.#options.keepAliveMs);
    const taken = (id: string): boolean => this.#arrivals.has(id) || this.#owner.has(id);
    const arrival = new Arrival(newId(rules.idFormat, taken), remote, socket, rules, this);
    const slot = this.#slots.take(ip === undefined ? remote : networkOf(ip), () => {
      if (!this.#closed) turnedAway.evicted += 1;
      arrival.fail(new DialError('greeting', this.#closed ? CLOSING : EVICTED));
    });
    const beyond = excess > 0;
    if (beyond) this.#beyond += 1;
    this.#arrivals.set(arrival.id, { slot, room, beyond, proof: undefined });
    arrival.start();
  };

  #refuse(socket: Socket, remote: string, error: Error): void {
    socket.on('error', () => {});
    socket.destroy();
    this.#owner.onFailed(error, remote);
  }

  #leave(arrival: Arrival): Arriving<R> | undefined {
    const known = this.#arrivals.get(arrival.id);
    if (known === undefined) return undefined;
    this.#arrivals.delete(arrival.id);
    this.#slots.release(known.slot);
    if (known.beyond) this.#beyond -= 1;
    if (known.proof !== undefined) this.#proofs.leave(known.proof);
    return known;
  }
}
