/** A TCP proxy that plays the bad network between a client and a server: its faults are switched while it runs. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What happens to the bytes of one direction, on each connection. Bytes that are under way keep what they had. */
interface Way {
  /** How long they travel, ms, and up to how much longer at random; nothing overtakes. */
  delayMs: number;
  jitterMs: number;
  /** The most a second; 0 is no limit. */
  bytesPerSecond: number;
  /**
   * They are swallowed, and so is the end: the path is gone, and nobody is told. A connection that has lost something stays
   * as dead when the path is back. Who connects while `up` is lost is accepted and never answered.
   */
  lost: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that both sides hold open. */
  readonly connections: number;
  /** Connections so far, and how many of them are over. */
  readonly accepted: number;
  readonly closed: number;
  /** Connections that the one who dialled has ended, whether or not the other end has heard. */
  readonly left: number;
  /** Bytes that were lost. */
  readonly swallowed: number;
  /** From the one who connects, and to it. With one of them lost a connection is half-open. */
  readonly up: Way;
  readonly down: Way;
  /** Flips a bit in the last byte of the next chunk that goes this way; resolves when it has. */
  corrupt(way: 'up' | 'down'): Promise<void>;
  /** Ends all connections at both sides: with a FIN, in order, or with a reset. */
  cut(): void;
  reset(): void;
}

/** Bytes of one direction of a connection that may be under way before its sender is held up. */
const WINDOW_BYTES = 256 * 1024;

/** One direction of one connection. */
class Lane {
  readonly #way: Way;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #alter: (chunk: Buffer) => Buffer;
  readonly #onLost: (bytes: number) => void;
  /** What is under way, undefined for the end, and when it arrives. */
  readonly #underWay: { readonly due: number; readonly chunk: Buffer | undefined }[] = [];
  #bytes = 0;
  #due = 0;
  #timer: NodeJS.Timeout | undefined;
  #dead = false;

  constructor(way: Way, from: Socket, to: Socket, alter: (chunk: Buffer) => Buffer, onLost: (bytes: number) => void) {
    this.#way = way;
    this.#from = from;
    this.#to = to;
    this.#alter = alter;
    this.#onLost = onLost;
    from.on('data', (chunk: Buffer) => this.#send(chunk)).on('end', () => this.#send(undefined));
    from.on('error', () => {}).on('close', (broken) => this.#closed(broken));
    to.on('drain', () => this.#flow());
  }

  /** Nothing arrives any more. */
  kill(): void {
    this.#dead = true;
    clearTimeout(this.#timer);
    this.#underWay.length = 0;
    this.#bytes = 0;
    this.#from.resume();
  }

  #send(chunk: Buffer | undefined): void {
    const { lost, delayMs, jitterMs, bytesPerSecond } = this.#way;
    const length = chunk?.length ?? 0;
    if (lost) this.kill();
    if (this.#dead) return this.#onLost(length);
    const arrival = performance.now() + delayMs + Math.random() * jitterMs;
    this.#due = Math.max(this.#due, arrival) + (bytesPerSecond === 0 ? 0 : (length / bytesPerSecond) * 1000);
    this.#bytes += length;
    this.#underWay.push({ due: this.#due, chunk });
    this.#arrive();
    this.#flow();
  }

  /** Lets out what is due. */
  #arrive(): void {
    clearTimeout(this.#timer);
    for (;;) {
      const [first] = this.#underWay;
      if (first === undefined || this.#to.destroyed) return;
      const waitMs = first.due - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#arrive();
          this.#flow();
        }, waitMs);
        return;
      }
      this.#underWay.shift();
      this.#bytes -= first.chunk?.length ?? 0;
      if (first.chunk === undefined) this.#to.end();
      else this.#to.write(this.#alter(first.chunk));
    }
  }

  #flow(): void {
    if (this.#dead) return;
    if (this.#bytes > WINDOW_BYTES || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }

  /** An abort is passed on at once; an end has been, in its turn. */
  #closed(broken: boolean): void {
    if (this.#way.lost) this.kill();
    if (broken && !this.#dead) this.#to.resetAndDestroy();
  }
}

/** Listens on a free port of loopback, and passes everything on to `target`, until it is told otherwise. */
export async function startFaultProxy(target: number): Promise<FaultProxy> {
  const fair: Way = { delayMs: 0, jitterMs: 0, bytesPerSecond: 0, lost: false };
  const ways = { up: { ...fair }, down: { ...fair } };
  const flips: Record<'up' | 'down', (() => void)[]> = { up: [], down: [] };
  const pairs = new Set<{ readonly sockets: readonly Socket[]; readonly lanes: readonly Lane[] }>();
  const alterer = (way: 'up' | 'down') => (chunk: Buffer) => {
    const done = flips[way].shift();
    if (done === undefined) return chunk;
    const altered = Buffer.from(chunk);
    altered[chunk.length - 1] = (chunk.at(-1) as number) ^ 1;
    done();
    return altered;
  };
  let accepted = 0;
  let left = 0;
  let swallowed = 0;
  const onLost = (bytes: number): void => void (swallowed += bytes);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    accepted += 1;
    let ended = false;
    const leave = (): void => {
      if (!ended) left += 1;
      ended = true;
    };
    near.on('end', leave).on('close', leave);
    if (ways.up.lost) {
      const silent = { sockets: [near], lanes: [] };
      pairs.add(silent);
      near.on('data', ({ length }: Buffer) => onLost(length)).on('error', () => {});
      near.on('close', () => pairs.delete(silent));
      return;
    }
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const lanes = [
      new Lane(ways.up, near, far, alterer('up'), onLost),
      new Lane(ways.down, far, near, alterer('down'), onLost),
    ];
    const pair = { sockets: [near, far], lanes };
    pairs.add(pair);
    for (const socket of pair.sockets) {
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) pairs.delete(pair);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endAll = (end: (socket: Socket) => void): void => {
    for (const { sockets, lanes } of pairs) {
      for (const lane of lanes) lane.kill();
      for (const socket of sockets) end(socket);
    }
  };
  return {
    ...ways,
    port: (server.address() as AddressInfo).port,
    get connections() {
      return [...pairs].filter(({ sockets }) => sockets.every((socket) => !socket.destroyed)).length;
    },
    get accepted() {
      return accepted;
    },
    get closed() {
      return accepted - pairs.size;
    },
    get left() {
      return left;
    },
    get swallowed() {
      return swallowed;
    },
    corrupt: (way) => new Promise((resolve) => void flips[way].push(resolve)),
    cut: () => endAll((socket) => socket.end()),
    reset: () => endAll((socket) => socket.resetAndDestroy()),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      endAll((socket) => socket.destroy());
      await closed;
    },
  };
}
