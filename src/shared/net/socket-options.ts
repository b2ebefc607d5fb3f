import type { ListenOptions, Socket } from 'node:net';
import type { HostAddress } from './address.ts';

/** Node hands the keep-alive delay to the system in whole seconds; 0 of them would mean hours. */
const MIN_KEEP_ALIVE_MS = 1000;

/**
 * How many connections may wait to be accepted. The system takes at most its own limit (`net.core.somaxconn`, often
 * 4096); with Node's 511 a burst loses SYNs, and those who sent them try again after a second.
 */
const BACKLOG = 4096;

/** How every socket of poold is made: each direction ends by itself, and small writes leave at once. */
export const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true } as const;

/** Whether a version of Node lets several processes listen on one port, each with a queue of its own. */
export function hasReusePort(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** How every listener of poold listens. */
export function listenOptions(address: HostAddress, reusePort: boolean): ListenOptions & { reusePort?: boolean } {
  return { ...address, backlog: BACKLOG, ...(reusePort ? { reusePort } : {}) };
}

/**
 * Sets what every socket of poold has: no Nagle delay, for small writes must leave at once, and TCP
 * keep-alive after `keepAliveMs` of silence (at least a second; 0 leaves it off). On a unix socket
 * neither exists and nothing happens.
 */
export function tuneSocket(socket: Socket, keepAliveMs: number): void {
  socket.setNoDelay(true);
  if (keepAliveMs > 0) {
    socket.setKeepAlive(true, Math.max(keepAliveMs, MIN_KEEP_ALIVE_MS));
  }
}
