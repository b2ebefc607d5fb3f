import type { HostAddress } from '../../shared/net/address.ts';
import { hasReusePort } from '../../shared/net/socket-options.ts';

/** Whether several processes may listen at an address, each with a queue of its own. */
export function canSharePort(address: string | HostAddress): boolean {
  const port = typeof address === 'string' ? Number(address.slice(address.lastIndexOf(':') + 1)) : address.port;
  // With port 0 each would get a port of its own.
  return port !== 0 && hasReusePort(process.versions.node);
}
