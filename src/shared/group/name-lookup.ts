/** What the name in a server spec stands for, with a memory for the times when nobody answers. */
import { formatAddress, type HostAddress } from '../net/address.ts';
import type { NameSpec } from './server-spec.ts';

/**
 * The most servers that a name stands for: an answer of 64 KiB names thousands, and each costs its client a pool. Those
 * of the lowest priorities are taken, then by name and address, so that the choice depends on nothing but the records.
 */
export const MAX_SERVERS = 64;

/** One A or AAAA record; `ttl` in seconds. */
interface AddressRecord {
  readonly address: string;
  readonly ttl: number;
}

/** One SRV record. Node's resolver does not tell its TTL; one that does is listened to. */
interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly ttl?: number;
}

/** Who asks the DNS; the `Resolver` of `node:dns/promises` does. */
export interface NameResolver {
  resolve4(host: string, options: { ttl: true }): Promise<readonly AddressRecord[]>;
  resolve6(host: string, options: { ttl: true }): Promise<readonly AddressRecord[]>;
  resolveSrv(name: string): Promise<readonly ServiceRecord[]>;
  /** Gives up what is under way, where it can: called when nobody wants the answers any more. */
  cancel?(): void;
}

/** What came of one lookup. */
export interface LookupResult {
  /** Each once, no more than {@link MAX_SERVERS}, in an order that depends on nothing but the records. */
  readonly addresses: readonly HostAddress[];
  /** Whether there were more. */
  readonly more: boolean;
  /** The smallest TTL of the records that were answered, ms; Infinity when none was. */
  readonly ttlMs: number;
  /** What failed on the way; remembered answers stand in for what is missing. */
  readonly faults: readonly unknown[];
}

/** The IPv4 and IPv6 addresses of a host. */
type Families = readonly [readonly AddressRecord[], readonly AddressRecord[]];

/** Answers that say that there are no such records; anything else says nothing about them. */
const NO_RECORDS: ReadonlySet<unknown> = new Set(['ENODATA', 'ENOTFOUND']);

/** One spec's name. Not to be asked again before the answer. */
export class NameLookup {
  readonly #spec: NameSpec;
  readonly #resolver: NameResolver;
  #hosts: ReadonlyMap<string, Families> = new Map();
  #services: readonly ServiceRecord[] = [];

  constructor(spec: NameSpec, resolver: NameResolver) {
    this.#spec = spec;
    this.#resolver = resolver;
  }

  /** Faults are in the result: it never rejects. */
  async resolve(): Promise<LookupResult> {
    const faults: unknown[] = [];
    const offered = this.#spec.kind === 'dns' ? [hostOf(this.#spec)] : await this.#service(this.#spec.name, faults);
    const services = offered.slice(0, MAX_SERVERS);
    const names = [...new Set(services.map(({ name }) => name))];
    const ttls = services.flatMap(({ ttl }) => ttl ?? []);
    const hosts = await Promise.all(names.map(async (name) => [name, await this.#host(name, faults, ttls)] as const));
    // What is not asked for any more is forgotten.
    this.#hosts = new Map(hosts);
    const all = services.flatMap(({ name, port }) =>
      (this.#hosts.get(name) ?? []).flatMap((family) => ipsOf(family).map((host) => ({ host, port }))),
    );
    const addresses = [...new Map(all.map((address) => [formatAddress(address), address])).values()];
    const more = offered.length > services.length || addresses.length > MAX_SERVERS;
    return { addresses: addresses.slice(0, MAX_SERVERS), more, ttlMs: Math.min(...ttls) * 1000, faults };
  }

  /** The records of a service: the lowest priority first. Weights are not looked at: the group's strategy spreads the load. */
  async #service(name: string, faults: unknown[]): Promise<readonly ServiceRecord[]> {
    try {
      const records = await this.#resolver.resolveSrv(name);
      // A target that is the root says that there is no such service (RFC 2782).
      const offered = records.filter((record) => record.name !== '' && record.name !== '.');
      if (offered.length === 0) throw new Error(`${name} has no servers`);
      this.#services = [...offered].sort(byPriority);
    } catch (error) {
      faults.push(error);
    }
    return this.#services;
  }

  async #host(host: string, faults: unknown[], ttls: number[]): Promise<Families> {
    const known = this.#hosts.get(host) ?? [[], []];
    const failures: unknown[] = [];
    const ask = async (
      question: () => Promise<readonly AddressRecord[]>,
    ): Promise<readonly AddressRecord[] | undefined> => {
      try {
        return await question();
      } catch (error) {
        if (NO_RECORDS.has((error as { code?: unknown }).code)) return [];
        failures.push(error);
        return undefined;
      }
    };
    const answers = await Promise.all([
      ask(() => this.#resolver.resolve4(host, { ttl: true })),
      ask(() => this.#resolver.resolve6(host, { ttl: true })),
    ]);
    const records = answers.flatMap((answer) => answer ?? []);
    if (records.length > 0) {
      // One family with addresses is a good answer: there are resolvers that never answer for the other.
      ttls.push(...records.map(({ ttl }) => ttl));
      return [answers[0] ?? known[0], answers[1] ?? known[1]];
    }
    faults.push(...(failures.length > 0 ? failures : [new Error(`${host} has no addresses`)]));
    return known;
  }
}

function hostOf({ host, port }: { readonly host: string; readonly port: number }): ServiceRecord {
  return { name: host, port, priority: 0 };
}

function byPriority(one: ServiceRecord, other: ServiceRecord): number {
  return one.priority - other.priority || compare(one.name, other.name) || one.port - other.port;
}

function ipsOf(records: readonly AddressRecord[]): readonly string[] {
  return records.map(({ address }) => address).sort(compare);
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
