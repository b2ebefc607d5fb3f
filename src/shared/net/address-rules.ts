import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { InvalidOptionError } from '../errors.ts';
import { normaliseIp } from './address.ts';

/** An IPv4 address inside IPv6 stands behind 96 bits that are the same for all of them. */
const MAPPED_BITS = 96;

/** Which addresses may connect, and the names of the options that say so, for messages. */
export interface AddressRulesOptions {
  /** Who may connect; empty: everyone. */
  readonly allow?: readonly string[];
  /** Who may not, even where `allow` names them. */
  readonly deny?: readonly string[];
  /** Default `allow` and `deny`. */
  readonly names?: { readonly allow: string; readonly deny: string };
}

const NAMES = { allow: 'allow', deny: 'deny' };

/**
 * Who may connect, by address: single ones and CIDR ranges, IPv4 and IPv6. An empty allow list lets
 * everyone in whom the deny list does not keep out. An IPv4 address inside IPv6 (`::ffff:10.1.2.3`,
 * as dual-stack listeners report it) counts as IPv4, both in the lists and when it is asked for.
 */
export class AddressRules {
  readonly #allowed: AddressRanges;
  readonly #denied: AddressRanges;

  /** @throws InvalidOptionError for the list, naming its first entry that is not an address or range */
  constructor({ allow = [], deny = [], names = NAMES }: AddressRulesOptions) {
    this.#allowed = new AddressRanges(names.allow, allow);
    this.#denied = new AddressRanges(names.deny, deny);
  }

  /**
   * Whether `ip` may connect. A peer without an address (a unix socket, or one that has already left)
   * is let in only by an empty allow list.
   */
  allows(ip: string | undefined): boolean {
    if (this.#denied.empty && this.#allowed.empty) {
      return true;
    }
    if (ip === undefined || isIP(ip) === 0) {
      return this.#allowed.empty;
    }
    const plain = normaliseIp(ip);
    return !this.#denied.has(plain) && (this.#allowed.empty || this.#allowed.has(plain));
  }
}

/** Addresses and ranges, as one option has them. */
export class AddressRanges {
  readonly empty: boolean;
  readonly #option: string;
  /** One list for each family: in a common one, `::/0` would match every IPv4 address too. */
  readonly #ranges = { ipv4: new BlockList(), ipv6: new BlockList() };

  /** @throws InvalidOptionError naming the option and the first entry that is not an address or range */
  constructor(option: string, entries: readonly string[]) {
    this.#option = option;
    this.empty = entries.length === 0;
    for (const entry of entries) {
      this.#add(entry);
    }
  }

  /** @param ip an address in the form of `normaliseIp` */
  has(ip: string): boolean {
    const family = familyOf(ip);
    return this.#ranges[family].check(ip, family);
  }

  #add(entry: string): void {
    const slash = entry.indexOf('/');
    const address = slash === -1 ? entry : entry.slice(0, slash);
    if (isIP(address) === 0 || address.includes('%')) {
      throw new InvalidOptionError(
        this.#option,
        `"${entry}" is not an IP address or range; write 10.0.0.0/8 or 2001:db8::1`,
      );
    }
    const plain = normaliseIp(address);
    const family = familyOf(plain);
    if (slash === -1) {
      this.#ranges[family].addAddress(plain, family);
      return;
    }
    const skipped = isIPv6(address) && family === 'ipv4' ? MAPPED_BITS : 0;
    this.#ranges[family].addSubnet(plain, this.#prefixOf(entry, slash, skipped, isIPv4(address) ? 32 : 128), family);
  }

  /** The number behind the slash as bits of the address that is left when `min` bits are skipped. */
  #prefixOf(entry: string, slash: number, min: number, max: number): number {
    const digits = entry.slice(slash + 1);
    const bits = /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN;
    if (!(bits >= min && bits <= max)) {
      const problem = `"${entry}" has no valid prefix length; use a number from ${min} to ${max}`;
      throw new InvalidOptionError(this.#option, problem);
    }
    return bits - min;
  }
}

function familyOf(ip: string): 'ipv4' | 'ipv6' {
  return isIPv4(ip) ? 'ipv4' : 'ipv6';
}
