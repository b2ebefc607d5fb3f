/** How a dual-stack listener writes an IPv4 peer. */
const MAPPED_PREFIX = '::ffff:';

/** The 16-bit groups of an IPv6 address, and those of a network that one customer has: a /64 (RFC 6177). */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * What to count a peer under: its IPv4 address, or the /64 of an IPv6 one, all of which one machine may use. One text
 * for each; a peer without an address has the empty one.
 *
 * @param ip as a socket's `remoteAddress` has it: IPv6 in lower case and shortened
 */
export function addressKey(ip: string | undefined): string {
  // At every visit: little is cut, and nothing is parsed.
  if (ip === undefined) return '';
  if (!ip.includes(':')) return ip;
  if (ip.startsWith(MAPPED_PREFIX) && ip.includes('.')) return ip.slice(MAPPED_PREFIX.length);
  return `${networkOf(ip)}::/64`;
}

function networkOf(ip: string): string {
  const gap = ip.indexOf('::');
  let end = -1;
  for (let group = 1; group <= NETWORK_GROUPS; group += 1) {
    end = ip.indexOf(':', end + 1);
    if (end === gap && group < NETWORK_GROUPS) return filled(ip.slice(0, gap) || '0', group, ip.slice(gap + 2));
  }
  return ip.slice(0, end);
}

/** The network of an address whose first `count` groups are `front`, and some zeros were left out before `back`. */
function filled(front: string, count: number, back: string): string {
  const behind = back.split(':');
  const zeros = Math.min(GROUPS - count - behind.length, NETWORK_GROUPS - count);
  const rest = behind.slice(0, NETWORK_GROUPS - count - zeros);
  return [front + ':0'.repeat(zeros), ...rest].join(':');
}
