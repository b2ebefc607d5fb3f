/** Who has which hosts at an address that several share. */
import { domainToASCII } from 'node:url';
import { InvalidOptionError, reasonOf } from '../errors.ts';
import { parseHostAlone } from './address.ts';
import { hostFrom } from './host-read.ts';

/** What a wildcard begins with. */
const WILDCARD = '*.';

/**
 * Names as the option `hosts` has them, in the one form that they are compared in: lower-case, without a closing dot, other
 * alphabets as DNS has them (`bücher.example` is `xn--bcher-kva.example`).
 *
 * @throws InvalidOptionError for what is no name, and for one that is there twice
 */
export function readHosts(option: string, names: readonly string[]): readonly string[] {
  const hosts = names.map((name) => readOne(option, name));
  const twice = hosts.find((host, index) => hosts.indexOf(host) < index);
  if (twice !== undefined) throw new InvalidOptionError(option, `${twice} is given twice`);
  return hosts;
}

function readOne(option: string, name: string): string {
  const prefix = name.startsWith(WILDCARD) ? WILDCARD : '';
  const rest = name.slice(prefix.length);
  if (rest === '' || rest.includes('*')) {
    throw new InvalidOptionError(
      option,
      `"${name}" is no host; a wildcard stands for whole labels in front, as in *.example.org, and no hosts at all for all of them`,
    );
  }
  try {
    const plain = parseHostAlone(/[^\0-\x7f]/.test(rest) ? domainToASCII(rest) : rest);
    const host = hostFrom(plain);
    // Asked for by TLS never, and by HTTP because the name is not known: the tunnel without hosts has them.
    if (host === undefined || /^[\d.]+$|:/.test(host)) throw new RangeError(`"${name}" is not the name of a host`);
    return prefix + host;
  } catch (cause) {
    throw new InvalidOptionError(option, `${reasonOf(cause)}; write www.example.org or *.example.org`, { cause });
  }
}

/**
 * Finds by host: the exact name first, then the longest wildcard. `*.example.org` stands for one label or more in front,
 * `a.example.org` and `a.b.example.org`, and not for `example.org`. Who names no host gets all that match nobody.
 */
export class HostTable<T> {
  readonly #exact = new Map<string, T>();
  /** By what stands behind the star: `.example.org`. */
  readonly #wild = new Map<string, T>();
  #rest: T | undefined;
  #hasRest = false;

  /**
   * @param entries who is there, each with its hosts as {@link readHosts} makes them
   * @throws InvalidOptionError for `hosts` that somebody before has
   */
  constructor(entries: Iterable<readonly [who: T, hosts: readonly string[]]> = []) {
    for (const [who, hosts] of entries) {
      if (hosts.length === 0) this.#addRest(who);
      for (const host of hosts) this.#add(who, host);
    }
  }

  /** Whether anybody names a host, and so each visitor is asked for one. */
  get named(): boolean {
    return this.#exact.size + this.#wild.size > 0;
  }

  /** Who gets all that match nobody. */
  get rest(): T | undefined {
    return this.#rest;
  }

  /** @param host as `readHost` reads it */
  find(host: string | undefined): T | undefined {
    if (host === undefined) return this.#rest;
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wild = this.#wild.get(host.slice(dot));
      if (wild !== undefined) return wild;
    }
    return this.#rest;
  }

  #add(who: T, host: string): void {
    const isWild = host.startsWith(WILDCARD);
    const [table, key] = isWild ? [this.#wild, host.slice(1)] : [this.#exact, host];
    if (table.has(key)) {
      throw new InvalidOptionError('hosts', `${host} is another tunnel's at this address; each host belongs to one`);
    }
    table.set(key, who);
  }

  #addRest(who: T): void {
    if (this.#hasRest) {
      throw new InvalidOptionError(
        'hosts',
        'another tunnel at this address names none either, and all others are its; name some',
      );
    }
    this.#rest = who;
    this.#hasRest = true;
  }
}
