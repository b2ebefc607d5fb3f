/** The calls that a connection has still to answer, and which of them a reply is for. */
import { LinkedList } from '../pool/linked-list.ts';
import type { Call } from './call.ts';
import type { Codec } from './codec.ts';

export interface InFlight<Req, Rep> {
  readonly size: number;
  /** The ID for the next call; 0 where calls have none. */
  nextId(): number;
  add(call: Call<Req, Rep>, id: number): void;
  /** Takes out the call that this answers; undefined when none is waiting for it. */
  match(reply: Rep): Call<Req, Rep> | undefined;
  /** All, oldest first, those that are over included. */
  all(): Iterable<Call<Req, Rep>>;
}

/** Replies come in the order of the requests. */
export class InOrder<Req, Rep> implements InFlight<Req, Rep> {
  readonly #calls = new LinkedList<Call<Req, Rep>>();

  get size(): number {
    return this.#calls.size;
  }

  nextId(): number {
    return 0;
  }

  add(call: Call<Req, Rep>): void {
    this.#calls.addLast(call);
  }

  match(): Call<Req, Rep> | undefined {
    const call = this.#calls.head;
    if (call !== undefined) this.#calls.remove(call);
    return call;
  }

  all(): Iterable<Call<Req, Rep>> {
    return this.#calls.fromHead();
  }
}

/** The highest ID unless the protocol has less room: what fits 31 bits is cheapest as a key. */
const MAX_ID = 2 ** 31 - 1;

/** Replies come in any order, and say what they answer. */
export class ById<Req, Rep> implements InFlight<Req, Rep> {
  readonly #calls = new Map<number, Call<Req, Rep>>();
  readonly #codec: Codec<Req, Rep>;
  #lastId = 0;

  constructor(codec: Codec<Req, Rep>) {
    this.#codec = codec;
  }

  get size(): number {
    return this.#calls.size;
  }

  nextId(): number {
    const { maxId = MAX_ID } = this.#codec;
    do this.#lastId = this.#lastId < maxId ? this.#lastId + 1 : 1;
    while (this.#calls.has(this.#lastId));
    return this.#lastId;
  }

  add(call: Call<Req, Rep>, id: number): void {
    this.#calls.set(id, call);
  }

  match(reply: Rep): Call<Req, Rep> | undefined {
    const id = this.#codec.replyId?.(reply) ?? 0;
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  all(): Iterable<Call<Req, Rep>> {
    return this.#calls.values();
  }
}
