/**
 * Carries a visit: what comes from a socket goes into the visit and back, each direction ends by itself, and whoever
 * breaks off is told to the other. It never reads faster than the other side drains.
 */
import type { Duplex } from 'node:stream';
import { copiesBytes, ReadMemory } from '../net/read-memory.ts';
import type { Seen, StallWatch, Watched } from './stall-watch.ts';

/** The visit's end as a relay needs it; `Visit` is one. */
export interface RelayVisit {
  handler: RelayHandler;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes on their way out; undefined while what was written may be needed again. */
  readonly unsent: number | undefined;
  /** A limit holds it back: that it does not move says nothing about either end. */
  readonly throttled?: boolean;
  /** What may be sent elsewhere when the visit was turned away before it reached a target. */
  takeBack(): { readonly chunks: readonly Buffer[] };
  write(chunk: Buffer): boolean;
  end(): void;
  reset(code: number, message?: string): void;
  pause(): void;
  resume(): void;
}

/** What the relay hears from the visit. */
export interface RelayHandler {
  onOpened(): void;
  onData(piece: Buffer): void;
  onEnd(): void;
  onReset(error: Error): void;
  onDrain(): void;
  /** Bytes of the pieces that are still to be passed on: at 0 their memory is freed. Undefined: the pieces are kept. */
  readonly unwritten?: number | undefined;
}

/** The socket's end: a TCP socket, whose abort can be passed on as an abort, or any Duplex. */
export type RelaySocket = Duplex & { resetAndDestroy?(): unknown; readonly localPort?: number | undefined };

/** How a relay ended: both directions done, the visit reset, the socket broken, or no byte moved for too long. */
export type RelayEnd = 'done' | 'reset' | 'broken' | 'stalled';

export interface RelayOptions<V extends RelayVisit = RelayVisit> {
  readonly socket: RelaySocket;
  readonly visit: V;
  /** RESET codes for a socket that breaks off (`error` says how, if anything does), and for a stall. */
  readonly brokenCode: (error: Error | undefined) => number;
  readonly stalledCode: number;
  readonly stallWatch: StallWatch;
  /** The visit's OPENED has come. */
  readonly onOpened?: (() => void) | undefined;
  /** The visit was reset: another one to go on with, if no byte has reached a target; undefined to give up. */
  readonly onReset?: ((error: Error) => Promise<V> | undefined) | undefined;
  /** Called once, when the socket has closed. `error` is what broke it. */
  readonly onEnd: (end: RelayEnd, error: Error | undefined) => void;
}

/**
 * Written when a socket has ended, to learn whether it was reset: libuv takes a reset that comes right behind bytes for an
 * end (libuv/libuv#2319). No packet leaves for it; a write after a reset fails with ECONNRESET, one after an end and a
 * reset with EPIPE.
 */
const NOTHING = Buffer.alloc(0);

const kRelay = Symbol('relay');
type Carried = RelaySocket & { [kRelay]: Relay };

export class Relay<V extends RelayVisit = RelayVisit> implements RelayHandler, Watched {
  readonly #options: RelayOptions<V>;
  readonly #socket: RelaySocket;
  /** Its writes and reads are copies. */
  readonly #copies: boolean;
  #read = new ReadMemory();
  #visit: V;
  #sentEnd = false;
  #gotEnd = false;
  #end: RelayEnd = 'done';
  #error: Error | undefined;
  /** In the stall watch. */
  readonly #seen: Seen | undefined;

  /** Starts at once; the relay owns the socket from here on. */
  constructor(options: RelayOptions<V>) {
    const { socket, visit, stallWatch } = options;
    this.#options = options;
    this.#socket = socket;
    this.#copies = copiesBytes(socket);
    this.#visit = visit;
    (socket as Carried)[kRelay] = this;
    socket.on('error', socketError).on('close', socketClose).on('end', socketEnd).on('drain', socketDrain);
    visit.handler = this;
    socket.on('data', socketData);
    // Who had to wait for the visit may have ended before it was there.
    if (socket.readableEnded) this.socketEnd();
    this.#seen = stallWatch.add(this);
  }

  /** What it carries now. */
  get visit(): V {
    return this.#visit;
  }

  onOpened(): void {
    this.#options.onOpened?.();
  }

  onData(piece: Buffer): void {
    if (!this.#socket.write(piece)) this.#visit.pause();
  }

  onEnd(): void {
    this.#gotEnd = true;
    this.#socket.end();
  }

  onReset(error: Error): void {
    const next = this.#socket.destroyed ? undefined : this.#options.onReset?.(error);
    if (next === undefined) return this.#break('reset', error);
    // Nothing is read until the other visit is there.
    this.#socket.pause();
    // The visit that is left may still have it on its way, of which the next one's end says nothing.
    this.#read = new ReadMemory();
    const { chunks } = this.#visit.takeBack();
    next.then(
      (visit) => this.#moveTo(visit, chunks),
      (reason: unknown) => this.#break('reset', reason instanceof Error ? reason : error),
    );
  }

  onDrain(): void {
    this.#read.spend(this.#visit.unsent);
    this.#socket.resume();
  }

  get unwritten(): number | undefined {
    return this.#copies ? this.#socket.writableLength : undefined;
  }

  /** What has left this side in both directions; undefined while nothing waits in either. */
  get progress(): number | undefined {
    const { writableLength } = this.#socket;
    // Little enough does not stop the reading, and yet may wait for ever: on a dead path.
    const { bytesIn, bytesOut, unsent = 0, throttled } = this.#visit;
    if (throttled === true) return undefined;
    if (writableLength === 0 && unsent === 0 && !this.#socket.isPaused()) return undefined;
    return bytesIn + bytesOut - writableLength - unsent;
  }

  stalled(): void {
    this.#visit.reset(this.#options.stalledCode);
    this.#break('stalled', undefined);
  }

  /** Abandons the visit from this side, for instance at the end of a grace period. */
  abort(code: number, message: string): void {
    this.#visit.reset(code, message);
    this.#break('broken', undefined);
  }

  /** @internal */
  socketData(chunk: Buffer): void {
    this.#read.spend(this.#visit.unsent);
    if (!this.#visit.write(chunk)) this.#socket.pause();
    if (this.#copies) this.#read.lend(chunk, this.#visit.unsent);
  }

  /** @internal */
  socketEnd(): void {
    // What waits to be written will tell as well.
    if (knowsAborts(this.#socket) && this.#socket.writable && this.#socket.writableLength === 0) {
      this.#socket.write(NOTHING, (error) => this.#endedUnlessReset(error));
    } else {
      this.#ended();
    }
  }

  /** @internal */
  socketDrain(): void {
    this.#visit.resume();
  }

  /** @internal */
  socketError(error: Error): void {
    this.#error ??= error;
  }

  /** @internal */
  socketClosed(): void {
    this.#options.stallWatch.delete(this.#seen);
    if (this.#end === 'done' && !(this.#sentEnd && this.#gotEnd)) {
      this.#end = 'broken';
      this.#visit.reset(this.#options.brokenCode(this.#error));
    }
    this.#options.onEnd(this.#end, this.#error);
  }

  #endedUnlessReset(error: NodeJS.ErrnoException | null | undefined): void {
    // Any other failure says that the other end wants no more; its own end was one.
    if (error?.code !== 'ECONNRESET') this.#ended();
  }

  #ended(): void {
    this.#sentEnd = true;
    this.#visit.end();
  }

  #moveTo(visit: V, chunks: readonly Buffer[]): void {
    if (this.#socket.destroyed) return visit.reset(this.#options.brokenCode(this.#error));
    this.#visit = visit;
    visit.handler = this;
    let flowing = true;
    for (const chunk of chunks) flowing = visit.write(chunk);
    if (this.#sentEnd) visit.end();
    if (flowing) this.#socket.resume();
  }

  #break(end: RelayEnd, error: Error | undefined): void {
    if (this.#socket.destroyed) return;
    this.#end = end;
    this.#error ??= error;
    breakOff(this.#socket);
  }
}

/** TCP alone does: a unix socket whose other end has closed cannot be written to, though it was no abort. */
function knowsAborts({ localPort }: RelaySocket): boolean {
  return localPort !== undefined;
}

/** Closes a socket at once, with an abort that its other end can tell from an end where the kind of socket has one. */
export function breakOff(socket: RelaySocket): void {
  // While the end is on its way out a reset fails (EINVAL), and Node would never close the handle.
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    socket.destroy();
    return;
  }
  try {
    socket.resetAndDestroy?.();
  } catch {
    // A unix socket has the method, but only TCP can do it.
  }
  socket.destroy();
}

// Shared by all relays, so that a visit allocates no listeners of its own.
function socketData(this: Carried, chunk: Buffer): void {
  this[kRelay].socketData(chunk);
}
function socketEnd(this: Carried): void {
  this[kRelay].socketEnd();
}
function socketDrain(this: Carried): void {
  this[kRelay].socketDrain();
}
function socketError(this: Carried, error: Error): void {
  this[kRelay].socketError(error);
}
function socketClose(this: Carried): void {
  this[kRelay].socketClosed();
}
