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

/**
 * Replies come in any order, and say what they answer. Calls are found in slots, by the last part of their IDs, and not in a Map:
 * one that changes with every call leaves tables behind that keep calls from the garbage collector.
 */
export class ById<Req, Rep> implements InFlight<Req, Rep> {
  readonly #calls = new LinkedList<Call<Req, Rep>>();
  readonly #slots: (Call<Req, Rep> | undefined)[];
  readonly #codec: Codec<Req, Rep>;
  #lastId = 0;

  /** @param most how many calls there are at once */
  constructor(codec: Codec<Req, Rep>, most: number) {
    this.#codec = codec;
    this.#slots = Array.from({ length: Math.min(2 * most, codec.maxId ?? MAX_ID) });
  }

  get size(): number {
    return this.#calls.size;
  }

  nextId(): number {
    const { maxId = MAX_ID } = this.#codec;
    do this.#lastId = this.#lastId < maxId ? this.#lastId + 1 : 1;
    while (this.#slots[this.#slotOf(this.#lastId)] !== undefined);
    return this.#lastId;
  }

  add(call: Call<Req, Rep>, id: number): void {
    call.id = id;
    this.#slots[this.#slotOf(id)] = call;
    this.#calls.addLast(call);
  }

  match(reply: Rep): Call<Req, Rep> | undefined {
    const id = this.#codec.replyId?.(reply) ?? 0;
    const slot = this.#slotOf(id);
    const call = this.#slots[slot];
    if (call?.id !== id) return undefined;
    this.#slots[slot] = undefined;
    this.#calls.remove(call);
    return call;
  }

  all(): Iterable<Call<Req, Rep>> {
    return this.#calls.fromHead();
  }

  #slotOf(id: number): number {
    return id % this.#slots.length;
  }
}
