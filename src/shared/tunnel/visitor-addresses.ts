import { type Linked, LinkedList } from '../pool/linked-list.ts';
import type { Bucket } from '../policy/token-bucket.ts';

/**
 * How many addresses are remembered that have no visitor in: some 3 MB of them. Who has more of them than that is not
 * slowed by a rate for each, with any table.
 */
const MAX_ABSENT = 16_384;

/** What is known of one address, or of one IPv6 network. */
export class VisitorAddress implements Bucket, Linked<VisitorAddress> {
  readonly key: string;
  /** Visitors from here that are in. */
  visitors = 0;
  tokens = Infinity;
  at = 0;
  previous: VisitorAddress | undefined;
  next: VisitorAddress | undefined;

  constructor(key: string) {
    this.key = key;
  }
}

/**
 * The addresses that visitors come from. Those without a visitor are kept for their rate, and the one that has been
 * quiet for longest is forgotten for a new one: every step is O(1), and no address has a timer.
 *
 * Linked, because a full map whose keys are deleted and set again is rebuilt over and over: 0.1 ms a visitor in place of
 * 0.1 µs.
 */
export class VisitorAddresses {
  readonly #known = new Map<string, VisitorAddress>();
  /** Those without a visitor, the longest quiet first. */
  readonly #absent = new LinkedList<VisitorAddress>();

  /** How many are known. */
  get size(): number {
    return this.#known.size;
  }

  /** What is known of an address; from now on it is. */
  get(key: string): VisitorAddress {
    let address = this.#known.get(key);
    if (address === undefined) {
      address = new VisitorAddress(key);
      this.#known.set(key, address);
    } else if (address.visitors === 0) {
      this.#absent.remove(address);
    } else return address;
    this.#rest(address);
    return address;
  }

  /** A visitor from here comes in. */
  enter(address: VisitorAddress): void {
    if (address.visitors === 0) this.#absent.remove(address);
    address.visitors += 1;
  }

  /** It has left. */
  leave(address: VisitorAddress): void {
    address.visitors -= 1;
    if (address.visitors === 0) this.#rest(address);
  }

  #rest(address: VisitorAddress): void {
    this.#absent.addLast(address);
    const { head } = this.#absent;
    if (this.#absent.size <= MAX_ABSENT || head === undefined) return;
    this.#absent.remove(head);
    this.#known.delete(head.key);
  }
}
