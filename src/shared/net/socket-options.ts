import type { Socket } from 'node:net';

/** Node hands the keep-alive delay to the system in whole seconds; 0 of them would mean hours. */
const MIN_KEEP_ALIVE_MS = 1000;

/**
 * How many connections may wait to be accepted. The system takes at most its own limit (`net.core.somaxconn`, often
 * 4096); with Node's 511 a burst loses SYNs, and those who sent them try again after a second.
 */
export const BACKLOG = 4096;

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
