import { normaliseIp } from './address.ts';

/** How a dual-stack listener writes an IPv4 peer. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The 16-bit groups of an IPv6 address, and those of a network that one customer has: a /64 (RFC 6177). */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * What to count a peer under: its IPv4 address, or the /64 of an IPv6 one, all of which one machine may use. One text
 * for each; a peer without an address has the empty one.
 *
 * @throws RangeError if `ip` is not an IP address
 */
export function addressKey(ip: string | undefined): string {
  // At every visit: nothing is parsed for IPv4.
  if (ip === undefined) return '';
  if (!ip.includes(':')) return ip;
  const inside = MAPPED.exec(ip)?.[1];
  if (inside !== undefined) return inside;
  const plain = normaliseIp(ip);
  return plain.includes(':') ? `${networkOf(plain)}::/64` : plain;
}

function networkOf(ip: string): string {
  const [front = [], back = []] = ip.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: GROUPS - front.length - back.length }, () => '0');
  return [...front, ...zeros, ...back].slice(0, NETWORK_GROUPS).join(':');
}
