import type { Duplex } from 'node:stream';
import type { CloseReason } from '../close-reason.ts';
import { ProtocolError } from '../errors.ts';
import type { Lease } from '../pool/lease.ts';
import type { LinkedList } from '../pool/linked-list.ts';
import { Batch } from './batch.ts';
import type { Call } from './call.ts';
import type { Codec, Decoder } from './codec.ts';
import { ById, type InFlight, InOrder } from './in-flight.ts';
import type { Resource } from './resource.ts';

/**
 * - `open`: takes calls
 * - `resting`: takes none, and goes back to its pool when the last is answered; if only overdue ones are left, it is lost
 * - `ended`: back in the pool, or lost
 */
export type LineState = 'open' | 'resting' | 'ended';

/** One write is no longer than this and one request, bytes: what the system has not taken waits in memory. */
const MAX_WRITE_BYTES = 256 * 1024;

/** How a line is used. */
export interface LineRules<Req, Rep> {
  readonly codec: Codec<Req, Rep>;
  readonly multiplex: boolean;
  /** The most calls that it has to answer at once. */
  readonly depth: number;
}

/** Who hears of a line. */
export interface LineOwner<Req, Rep> {
  /** A call could not be written. */
  unsendable(call: Call<Req, Rep>, error: unknown): void;
  /** A call has its reply, in time; its caller may have left. */
  answered(call: Call<Req, Rep>, reply: Rep): void;
  /** There may be room: told once for each read that brought replies. */
  changed(): void;
  /** It has ended, with these unanswered. `error` is undefined when it only went back. */
  ended(
    line: Line<Req, Rep>,
    reason: CloseReason | 'released',
    unanswered: Iterable<Call<Req, Rep>>,
    error?: unknown,
  ): void;
}

/** A connection with calls on it, held until it is of no use for a while. */
export class Line<Req, Rep> {
  /** When it was found unused. */
  unusedSince: number | undefined;
  readonly #lease: Lease<Resource<Duplex>>;
  readonly #socket: Duplex;
  readonly #rules: LineRules<Req, Rep>;
  readonly #owner: LineOwner<Req, Rep>;
  readonly #decoder: Decoder<Rep>;
  readonly #inFlight: InFlight<Req, Rep>;
  readonly #batch = new Batch();
  #state: LineState = 'open';
  /** The system takes no more for now. */
  #blocked = false;
  /** Calls whose callers were told that they timed out, and that are still not answered. */
  #overdue = 0;
  #error: unknown;

  constructor(lease: Lease<Resource<Duplex>>, rules: LineRules<Req, Rep>, owner: LineOwner<Req, Rep>) {
    const { codec } = rules;
    this.#lease = lease;
    this.#socket = lease.connection.value;
    this.#rules = rules;
    this.#owner = owner;
    this.#decoder = codec.decoder();
    this.#inFlight = rules.multiplex ? new ById(codec, rules.depth) : new InOrder();
    this.#socket.on('data', this.#read).on('drain', this.#drained);
    this.#socket.on('error', this.#failed).on('end', this.#closed).on('close', this.#closed);
    this.#socket.resume();
  }

  get state(): LineState {
    return this.#state;
  }
  /** The connection's ID in its pool. */
  get id(): string {
    return this.#lease.id;
  }
  /** Whether its pool would close the connection if it came back now. */
  get spent(): boolean {
    return this.#lease.spent;
  }
  /** Calls that it has to answer, those that nobody waits for any more included. */
  get inFlight(): number {
    return this.#inFlight.size;
  }
  /** How many calls it takes now. */
  get room(): number {
    const orderly = this.#overdue === 0 || this.#rules.multiplex;
    // Between a socket's error and its 'close' it is of no use already.
    const fit = this.#state === 'open' && !this.#blocked && orderly && this.#socket.writable;
    return fit ? this.#rules.depth - this.#inFlight.size : 0;
  }
  get calls(): Iterable<Call<Req, Rep>> {
    return this.#inFlight.all();
  }

  /** Takes up to `most` calls out of the queue, and writes them in one write; `generation` is the breaker's. */
  send(queue: LinkedList<Call<Req, Rep>>, most: number, generation: number): void {
    const { codec } = this.#rules;
    const inFlight = this.#inFlight;
    const batch = this.#batch;
    for (let left = most; left > 0 && batch.size < MAX_WRITE_BYTES; left -= 1) {
      const call = queue.head;
      if (call === undefined) break;
      queue.remove(call);
      call.state = 'sent';
      call.generation = generation;
      try {
        const id = inFlight.nextId();
        batch.add(codec.encode(call.request, id));
        inFlight.add(call, id);
      } catch (error) {
        this.#owner.unsendable(call, error);
      }
    }
    this.unusedSince = undefined;
    this.#write(batch.take());
  }

  /**
   * A call on it is overdue. In a pipeline, nobody is to wait behind it; where others pass it, its ID is lost to them until
   * its reply comes, and with half of them lost the line is to be replaced.
   */
  late(call: Call<Req, Rep>): void {
    const { multiplex, depth } = this.#rules;
    call.overdue = true;
    this.#overdue += 1;
    if (multiplex && this.#overdue * 2 >= depth && this.#state === 'open') this.#state = 'resting';
  }

  /** Closes it if it is of no use any more: something is overdue, and nobody waits for anything that it may bring. */
  loseIfHopeless(): void {
    if (this.#overdue === 0) return;
    for (const { state } of this.#inFlight.all()) if (state !== 'over') return;
    this.lose('stalled', new Error('nobody waits for its replies any more'));
  }

  /** Takes no more calls, and goes back when the last one is answered. */
  rest(): void {
    if (this.#state !== 'open') return;
    this.#state = 'resting';
    this.#releaseIfDone();
  }

  /** Closes the connection; its calls are lost. */
  lose(reason: CloseReason, error?: unknown): void {
    if (this.#state === 'ended') return;
    this.#end();
    if (this.#lease.held) this.#lease.destroy();
    this.#owner.ended(this, reason, this.#inFlight.all(), error ?? new Error(reason));
  }

  #write(pieces: readonly (string | Uint8Array)[]): void {
    const socket = this.#socket;
    const [first] = pieces;
    if (first === undefined || this.#state === 'ended') return;
    if (pieces.length === 1) {
      this.#blocked = !socket.write(first);
      return;
    }
    socket.cork();
    for (const piece of pieces) this.#blocked = !socket.write(piece);
    socket.uncork();
  }

  readonly #read = (chunk: Buffer): void => {
    if (!this.#decode(chunk)) return;
    this.#owner.changed();
    this.#releaseIfDone();
  };

  /** Whether replies came, and all could be read. */
  #decode(chunk: Buffer): boolean {
    let came = false;
    try {
      for (const reply of this.#decoder.push(chunk)) {
        came = true;
        const call = this.#inFlight.match(reply);
        if (call !== undefined) this.#take(call, reply);
        else if (!this.#rules.multiplex) throw new ProtocolError('a reply came that no request waits for');
      }
      return came;
    } catch (error) {
      this.lose('protocol-error', error);
      return false;
    }
  }

  #take(call: Call<Req, Rep>, reply: Rep): void {
    if (call.overdue) this.#overdue -= 1;
    else this.#owner.answered(call, reply);
  }

  readonly #drained = (): void => {
    this.#blocked = false;
    this.#owner.changed();
  };

  readonly #failed = (error: Error): void => {
    this.#error = error;
  };

  readonly #closed = (): void => this.lose('peer-closed', this.#error ?? new Error('closed by the other side'));

  #releaseIfDone(): void {
    if (this.#state !== 'resting' || this.#inFlight.size > this.#overdue) return;
    if (this.#overdue > 0) return this.loseIfHopeless();
    this.#end();
    // What comes now is nobody's: it is to stay in the socket, where its pool sees it.
    this.#socket.pause().off('error', this.#failed);
    if (this.#lease.held) this.#lease.release();
    this.#owner.ended(this, 'released', []);
  }

  #end(): void {
    this.#state = 'ended';
    this.#socket.off('data', this.#read).off('drain', this.#drained);
    // 'error' is heard to the end: it may come behind what has ended the line.
    this.#socket.off('end', this.#closed).off('close', this.#closed);
  }
}
