import { type Linked, LinkedList } from '../pool/linked-list.ts';

/** One connection that has proved nothing yet. */
export class HandshakeSlot implements Linked<HandshakeSlot> {
  readonly address: string;
  /** Closes the connection, because the slot is needed for a newer one. */
  readonly evict: () => void;
  previous: HandshakeSlot | undefined;
  next: HandshakeSlot | undefined;

  constructor(address: string, evict: () => void) {
    this.address = address;
    this.evict = evict;
  }
}

/**
 * The connections under way, bounded in total and per address. At a limit the oldest goes, first from the address that
 * holds most, so that a silent crowd never keeps the real client out (docs/protocol.md).
 */
export class HandshakeSlots {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #byAddress = new Map<string, LinkedList<HandshakeSlot>>();
  #size = 0;

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes a slot, evicting another connection where a limit is reached. */
  take(address: string, evict: () => void): HandshakeSlot {
    if ((this.#byAddress.get(address)?.size ?? 0) >= this.#maxPerAddress) this.#evictFrom(address);
    else if (this.#size >= this.#max) this.#evictFrom(this.#fullest());
    const slot = new HandshakeSlot(address, evict);
    let slots = this.#byAddress.get(address);
    if (slots === undefined) this.#byAddress.set(address, (slots = new LinkedList()));
    slots.addLast(slot);
    this.#size += 1;
    return slot;
  }

  /**
   * Evicts so many, as at the limit in total, where something else than slots is short.
   *
   * @returns false, with nobody evicted, when there are fewer
   */
  evict(count: number): boolean {
    if (this.#size < count) return false;
    for (let left = count; left > 0; left -= 1) this.#evictFrom(this.#fullest());
    return true;
  }

  /** Gives a slot back, once. */
  release(slot: HandshakeSlot): void {
    const slots = this.#byAddress.get(slot.address);
    slots?.remove(slot);
    if (slots?.size === 0) this.#byAddress.delete(slot.address);
    this.#size -= 1;
  }

  /** Evicts everybody. */
  clear(): void {
    for (const slots of [...this.#byAddress.values()]) for (const slot of [...slots.fromHead()]) slot.evict();
  }

  /** The evicted connection gives its slot back by itself, before this returns. */
  #evictFrom(address: string): void {
    this.#byAddress.get(address)?.head?.evict();
  }

  #fullest(): string {
    let fullest = '';
    let most = 0;
    for (const [address, { size }] of this.#byAddress) if (size > most) [fullest, most] = [address, size];
    return fullest;
  }
}
