/** Which addresses are one household: what is counted by address is counted by this. */
import { isIPv4 } from 'node:net';
import { normaliseIp } from './address.ts';

/** How a dual-stack listener writes an IPv4 peer. */
const MAPPED_PREFIX = '::ffff:';

/** Groups of 16 bits in an IPv6 address, and in what a household is given of it (RFC 6177: a /64 at the least). */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * An IPv4 address as it is, also when it comes inside IPv6; of an IPv6 address its /64, because whoever has one address
 * there has them all.
 *
 * @throws RangeError if `ip` is not an IP address
 */
export function networkOf(ip: string): string {
  // Asked at every visit: most need no parsing.
  if (isIPv4(ip)) return ip;
  if (ip.startsWith(MAPPED_PREFIX) && ip.includes('.')) return ip.slice(MAPPED_PREFIX.length);
  const plain = normaliseIp(ip);
  if (!plain.includes(':')) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array.from({ length: GROUPS - left.length - right.length }, () => '0');
  return `${[...left, ...zeros, ...right].slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
