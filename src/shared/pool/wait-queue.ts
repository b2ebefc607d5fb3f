import { LinkedList } from './linked-list.ts';
import type { Waiter } from './waiter.ts';

/** Those who wait: for any connection, first come first served, or for one ID each. */
export class WaitQueue<V> {
  readonly #anyone = new LinkedList<Waiter<V>>();
  readonly #byId = new Map<string, LinkedList<Waiter<V>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many wait for any connection rather than for one ID. */
  get anyone(): number {
    return this.#anyone.size;
  }

  add(waiter: Waiter<V>): void {
    this.#size += 1;
    if (waiter.id === undefined) {
      this.#anyone.addLast(waiter);
      return;
    }
    let list = this.#byId.get(waiter.id);
    if (list === undefined) this.#byId.set(waiter.id, (list = new LinkedList()));
    list.addLast(waiter);
  }

  /** Takes out a waiter that has ended by itself. */
  remove(waiter: Waiter<V>): void {
    this.#size -= 1;
    if (waiter.id === undefined) {
      this.#anyone.remove(waiter);
      return;
    }
    const list = this.#byId.get(waiter.id);
    list?.remove(waiter);
    if (list?.size === 0) this.#byId.delete(waiter.id);
  }

  /** The first who waits for this ID, taken out of the queue. */
  takeFor(id: string): Waiter<V> | undefined {
    return this.#taken(this.#byId.get(id)?.head);
  }

  /** The first who waits for any connection and accepts this group, taken out of the queue. */
  takeAny(group: string): Waiter<V> | undefined {
    let waiter = this.#anyone.head;
    while (waiter !== undefined && !waiter.accepts(group)) waiter = waiter.next;
    return this.#taken(waiter);
  }

  /** Everyone, in order; the queue is empty afterwards. */
  takeAll(): Waiter<V>[] {
    const all = [this.#anyone, ...this.#byId.values()].flatMap((list) => Array.from(list.fromHead()));
    for (const waiter of all) this.remove(waiter);
    return all;
  }

  #taken(waiter: Waiter<V> | undefined): Waiter<V> | undefined {
    if (waiter !== undefined) this.remove(waiter);
    return waiter;
  }
}
