/** Who may come in, decided as soon as a visitor is accepted and before anything is made for it. */
import type { Clock } from '../clock.ts';
import type { VisitorRefusal } from '../errors.ts';
import { networkOf } from '../net/network.ts';
import { takeToken } from '../policy/token-bucket.ts';
import { type VisitorAddress, VisitorAddresses } from './visitor-addresses.ts';
import type { GateRules } from './visitor-rules.ts';

/** A gate's numbers, a snapshot. */
export interface VisitorStats {
  /** Visitors that were accepted here and have not left, those who wait or were passed on among them. */
  readonly visitors: number;
  /** Addresses (IPv6: networks) that are remembered. */
  readonly addresses: number;
  /** How many were turned away since the start, by reason. */
  readonly refused: Readonly<Record<GateRefusal, number>>;
}

/**
 * Also of those who were let in, and got no connection: `maxWaiting` others waited already (`queue-full`), or none was idle for
 * `waitMs` (`timeout`). Datagrams do not wait so.
 */
type GateRefusal = VisitorRefusal | 'queue-full' | 'timeout';

export class VisitorGate {
  /** What holds for who comes from now on; who is in stays. */
  rules: GateRules;
  readonly #clock: Clock;
  readonly #addresses = new VisitorAddresses();
  readonly #refused: Record<GateRefusal, number> = {
    denied: 0,
    full: 0,
    address: 0,
    rate: 0,
    descriptors: 0,
    host: 0,
    'proxy-header': 0,
    preface: 0,
    'queue-full': 0,
    timeout: 0,
  };
  #visitors = 0;

  constructor(rules: GateRules, clock: Clock) {
    this.rules = rules;
    this.#clock = clock;
  }

  get stats(): VisitorStats {
    return { visitors: this.#visitors, addresses: this.#addresses.size, refused: { ...this.#refused } };
  }

  /** Whether the lists of addresses let it in: what can be said of a visitor before it is known whom it wants. */
  allows(ip: string | undefined): boolean {
    return this.rules.addresses.allows(ip);
  }

  /**
   * Lets a visitor in, to {@link leave} later, or says why not. `ip` is undefined for one who has left already.
   *
   * @param isShared whether many come by this address, a proxy's: what holds for each address does not hold for it
   */
  enter(ip: string | undefined, isShared = false): VisitorAddress | VisitorRefusal {
    const { addresses, maxVisitors, maxVisitorsPerAddress, rate } = this.rules;
    if (!addresses.allows(ip)) return this.refuse('denied');
    if (this.#visitors >= maxVisitors) return this.refuse('full');
    const address = this.#addresses.get(ip === undefined ? '' : networkOf(ip));
    if (!isShared && address.visitors >= maxVisitorsPerAddress) return this.refuse('address');
    if (!isShared && rate !== undefined && !takeToken(address, this.#clock.now(), rate)) return this.refuse('rate');
    this.#addresses.enter(address);
    this.#visitors += 1;
    return address;
  }

  leave(address: VisitorAddress): void {
    this.#addresses.leave(address);
    this.#visitors -= 1;
  }

  /** Counts one that is turned away, and returns why. */
  refuse<R extends GateRefusal>(reason: R): R {
    this.#refused[reason] += 1;
    return reason;
  }
}
