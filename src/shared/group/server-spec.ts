/** Where servers are, as people write it: an address, or a name that stands for several. */
import { isIP } from 'node:net';
import { reasonOf } from '../errors.ts';
import { formatAddress, type HostAddress, parseAddress } from '../net/address.ts';

/**
 * - `fixed`: one address; a host name in it is left as it is, for the dial to look up
 * - `dns`: all A and AAAA addresses of a host, with this port
 * - `srv`: the hosts and ports of a DNS service (RFC 2782)
 */
export type ServerSpec =
  | { readonly kind: 'fixed'; readonly address: HostAddress }
  | { readonly kind: 'dns'; readonly host: string; readonly port: number }
  | { readonly kind: 'srv'; readonly name: string };

/** A spec that is to be looked up. */
export type NameSpec = Exclude<ServerSpec, { kind: 'fixed' }>;

const DNS_PREFIX = 'dns:';
const SRV_PREFIX = 'srv:';

/** `_service._tcp.` in front of a domain (RFC 2782); a service name has at most 15 characters (RFC 6335, 5.1). */
const SERVICE = /^_[a-z0-9-]{1,15}\._tcp\.(.+)$/i;

/**
 * Reads `host:port`, `dns:host:port` or `srv:_name._tcp.domain`.
 *
 * @throws RangeError whose message names the text and the problem, but not the option
 */
export function parseServerSpec(text: string): ServerSpec {
  return parseNameSpec(text) ?? { kind: 'fixed', address: hostAddress(text, text) };
}

/**
 * Reads `dns:host:port` or `srv:_name._tcp.domain`; undefined for what is neither.
 *
 * @throws RangeError as {@link parseServerSpec} does
 */
export function parseNameSpec(text: string): NameSpec | undefined {
  if (text.startsWith(DNS_PREFIX)) {
    const { host, port } = hostAddress(text, text.slice(DNS_PREFIX.length));
    if (isIP(host) !== 0) throw new RangeError(`"${text}" has nothing to resolve; write the address without "dns:"`);
    return { kind: 'dns', host, port };
  }
  if (!text.startsWith(SRV_PREFIX)) return undefined;
  const name = text.slice(SRV_PREFIX.length);
  const domain = SERVICE.exec(name)?.[1];
  if (domain === undefined || !isHostName(domain)) {
    throw new RangeError(`"${text}" is not a service; write srv:_name._tcp.domain, the ports are in its records`);
  }
  return { kind: 'srv', name };
}

/** As people write it. */
export function formatServerSpec(spec: ServerSpec): string {
  if (spec.kind === 'fixed') return formatAddress(spec.address);
  return spec.kind === 'dns' ? `${DNS_PREFIX}${spec.host}:${spec.port}` : SRV_PREFIX + spec.name;
}

/** @param part of `text`, as an address */
function hostAddress(text: string, part: string): HostAddress {
  let address: ReturnType<typeof parseAddress>;
  try {
    address = parseAddress(part);
  } catch (error) {
    if (part === text) throw error;
    throw new RangeError(`"${text}" is not dns:host:port: ${reasonOf(error)}`, { cause: error });
  }
  if ('path' in address) throw new RangeError(`"${text}" is no server on the network; write host:port`);
  return address;
}

function isHostName(text: string): boolean {
  try {
    const address = parseAddress(`${text}:1`);
    return 'host' in address && isIP(address.host) === 0;
  } catch {
    return false;
  }
}
