/** A doubly linked list whose links live in its items: O(1) at both ends and in the middle, without allocation. */

/** What an item must carry. An item is in at most one list at a time. */
export interface Linked<T> {
  previous: T | undefined;
  next: T | undefined;
}

export class LinkedList<T extends Linked<T>> {
  #head: T | undefined;
  #tail: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The item added last at the front. */
  get head(): T | undefined {
    return this.#head;
  }

  /** The item that has been at the back the longest. */
  get tail(): T | undefined {
    return this.#tail;
  }

  addFirst(item: T): void {
    item.previous = undefined;
    item.next = this.#head;
    if (this.#head === undefined) this.#tail = item;
    else this.#head.previous = item;
    this.#head = item;
    this.#size += 1;
  }

  addLast(item: T): void {
    item.next = undefined;
    item.previous = this.#tail;
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
    this.#size += 1;
  }

  /** Takes out an item that is in this list; the caller knows that it is. */
  remove(item: T): void {
    if (item.previous === undefined) this.#head = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#tail = item.previous;
    else item.next.previous = item.previous;
    item.previous = undefined;
    item.next = undefined;
    this.#size -= 1;
  }

  /** From the back to the front; the current item may be removed on the way. */
  *fromTail(): Generator<T, void> {
    let item = this.#tail;
    while (item !== undefined) {
      const { previous } = item;
      yield item;
      item = previous;
    }
  }

  /** From the front to the back; the current item may be removed on the way. */
  *fromHead(): Generator<T, void> {
    let item = this.#head;
    while (item !== undefined) {
      const { next } = item;
      yield item;
      item = next;
    }
  }
}
