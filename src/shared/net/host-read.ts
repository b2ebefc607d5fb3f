/** What the first bytes of a connection say about the host that is asked for, and what is a host. */
import { isIP } from 'node:net';

/** What the first bytes say. */
export interface HostRead {
  /** Lower-case, without port and closing dot; undefined when they name none. */
  readonly host: string | undefined;
  /** What they are, and so what an answer to them is written in. */
  readonly protocol: 'tls' | 'http' | 'other';
  /** They name something that is no host, or may be read in two ways: whoever goes by it is misled. */
  readonly unclear: boolean;
}

/** Names as they are used, underscores among them (RFC 1035, 2.3.4 has the length). */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const MAX_NAME_LENGTH = 253;

/** `Example.org.` → `example.org`, `::1` → `::1`; undefined for what is neither a name nor an IP address. */
export function hostFrom(text: string): string | undefined {
  const host = text.replace(/\.$/, '').toLowerCase();
  return isIP(host) !== 0 || (host.length <= MAX_NAME_LENGTH && NAME.test(host)) ? host : undefined;
}
