import type { Clock } from '../shared/clock.ts';
import { type Address, formatAddress } from '../shared/net/address.ts';
import { tuneSocket } from '../shared/net/socket-options.ts';
import { ConnectionPool } from '../shared/pool/connection-pool.ts';
import type { Reservation } from '../shared/pool/reservation.ts';
import { connectTarget } from '../shared/tunnel/target.ts';
import type { BackendRules } from './balancer-options.ts';
import { ServerConnection, type ServerConnectionOwner } from './server-connection.ts';

/** How long an idle connection is kept at the most, ms: less than the 5 s of Node's own server, whatever another says. */
const KEPT_MS = 4000;

/** How much sooner than a server says an idle connection is given up, ms: a request must not meet its end. */
const MARGIN_MS = 1000;

/** For how long what must not be repeated gets connections of its own after the server has ended a kept one, ms. */
const DOUBT_MS = 60_000;

/** From when on the system asks a silent server for a sign of life, ms. */
const KEEP_ALIVE_MS = 30_000;

/** Hears how a dial went: there is a connection, or a reason why not. */
export type Dialled = (connection: ServerConnection | undefined, error?: Error) => void;

/** How long an idle connection is kept by what its server says, ms: 0 where it is not worth keeping, Infinity where that is no less. */
export function keptMsOf(keepAlive: string): number {
  const [, seconds = Infinity] = /(?:^|[\s,;])timeout\s*=\s*"?(\d{1,9})/i.exec(keepAlive) ?? [];
  const keptMs = Math.max(0, Number(seconds) * 1000 - MARGIN_MS);
  return keptMs < KEPT_MS ? keptMs : Infinity;
}

/** The pool of connections to one HTTP server. Who wants one has a place there: no more are dialled than there are places. */
export class ServerConnections implements ServerConnectionOwner {
  readonly #address: Address;
  readonly #rules: BackendRules;
  readonly #clock: Clock;
  readonly #pool: ConnectionPool<ServerConnection>;
  #made = 0;
  #doubtedAt = -Infinity;

  constructor(address: Address, rules: BackendRules, clock: Clock) {
    this.#address = address;
    this.#rules = rules;
    this.#clock = clock;
    this.#pool = new ConnectionPool({
      name: formatAddress(address),
      max: rules.maxConnections,
      idleTimeoutMs: KEPT_MS,
      clock,
    });
  }

  /** Whether a request that must not be repeated wants a connection of its own: the server ends kept ones unannounced. */
  get isDoubted(): boolean {
    return this.#clock.now() - this.#doubtedAt < DOUBT_MS;
  }

  doubt(): void {
    this.#doubtedAt = this.#clock.now();
  }

  /** The connection that was used last, at once. */
  take(): ServerConnection | undefined {
    for (;;) {
      const lease = this.#pool.tryAcquire();
      // Lost already, and its 'close' still to come?
      if (lease?.connection.closed !== true) return lease?.connection;
      lease.destroy();
    }
  }

  /** Makes a new one. Returns how to break that off; then nothing is heard of it. */
  dial(done: Dialled): () => void {
    const room = this.#reserve();
    const refusal = (): Error => new Error(`${this.#pool.name} is not to be asked any more`);
    if (room === undefined) {
      done(undefined, refusal());
      return () => {};
    }
    const { connectTimeoutMs, timeoutMs } = this.#rules;
    let failure: Error | undefined;
    const failed = (): void => {
      room.cancel();
      done(undefined, failure ?? new Error('the connection was closed as it was made'));
    };
    const { socket } = connectTarget(this.#address, connectTimeoutMs, this.#clock, () => {
      socket.off('close', failed);
      tuneSocket(socket, KEEP_ALIVE_MS);
      this.#made += 1;
      const id = `${this.#made}`;
      const isKept = room.put(id, new ServerConnection(id, socket, timeoutMs, this));
      const connection = isKept ? this.#pool.tryGet(id)?.connection : undefined;
      if (connection === undefined) done(undefined, refusal());
      else done(connection);
    });
    socket.on('error', (error) => (failure = error)).once('close', failed);
    return () => {
      room.cancel();
      socket.off('close', failed).destroy();
    };
  }

  /** No new requests come: idle ones are closed, the others when what is on them has ended. */
  close(): void {
    void this.#pool.close({ graceMs: Infinity });
  }

  /** Breaks off what is on them. */
  destroy(): void {
    this.#pool.destroy();
  }

  onFree(connection: ServerConnection): void {
    this.#pool.put(connection.id, connection);
  }

  /** Who wants a new one although others are idle takes the place of one of those. */
  #reserve(): Reservation<ServerConnection> | undefined {
    const room = this.#pool.reserve();
    if (room !== undefined) return room;
    this.#pool.tryAcquire()?.destroy();
    return this.#pool.reserve();
  }
}
