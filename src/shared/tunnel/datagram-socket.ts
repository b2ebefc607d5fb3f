/** UDP sockets, at the edge: one that visitors send to, and one for each flow to a target. */
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { lookup as lookUp } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { DialError, reasonOf } from '../errors.ts';
import { formatAddress, type HostAddress } from '../net/address.ts';

/** The most that may wait in a socket because the system takes no more, bytes. */
const MAX_QUEUED_BYTES = 1024 * 1024;

/** What the system is asked to keep of a burst of all visitors, bytes; Linux gives at most `net.core.rmem_max`. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

type Lookup = NonNullable<SocketOptions['lookup']>;

/** Hosts are numbers by the time they come here; Node would look each up again, for every datagram. */
const numeric: Lookup = (host, family, done) => done(null, host, Number(family));

/** A host's number. @throws what the lookup says */
export async function numberOf(host: string): Promise<string> {
  return isIP(host) === 0 ? (await lookUp(host)).address : host;
}

/**
 * A socket that takes datagrams at an address.
 *
 * @param reusePort other processes may do so too: the system keeps a visitor with one of them, where Node can (22.12)
 * @throws DialError when it cannot
 */
export async function bindDatagrams(address: HostAddress, reusePort: boolean): Promise<Socket> {
  let socket: Socket | undefined;
  try {
    const host = await numberOf(address.host);
    socket = create(host, reusePort);
    const listening = once(socket, 'listening');
    // `exclusive`: in a process of node:cluster, not a socket of all.
    socket.bind({ address: host, port: address.port, exclusive: true });
    await listening;
    widen(socket);
    return socket;
  } catch (cause) {
    socket?.close();
    const what = `cannot take datagrams at ${formatAddress(address)}: ${reasonOf(cause)}`;
    throw new DialError('connect', what, { cause });
  }
}

/**
 * A socket that talks to one address alone. It is ready when this returns.
 *
 * @param host a number
 * @throws Error when the system has no socket or no way there
 */
export function connectDatagrams(host: string, port: number): Socket {
  const socket = create(host, false);
  let failure: Error | undefined;
  // Kept: what is wrong with a connect is told later.
  socket.on('error', (error) => (failure ??= error));
  socket.bind({ port: 0, exclusive: true });
  try {
    if (failure === undefined) socket.connect(port, host);
    // Throws unless it is connected.
    socket.remoteAddress();
    return socket;
  } catch (error) {
    socket.close();
    throw failure ?? error;
  }
}

/** Whether a socket has too much on its way already: what comes now is dropped. */
export function isFull(socket: Socket): boolean {
  return socket.getSendQueueSize() > MAX_QUEUED_BYTES;
}

function create(host: string, reusePort: boolean): Socket {
  const type = isIP(host) === 6 ? 'udp6' : 'udp4';
  // Node's types of the oldest version that is supported do not know `reusePort`.
  const options: SocketOptions & { reusePort?: boolean } = { type, lookup: numeric };
  return createSocket(reusePort ? { ...options, reusePort } : options);
}

function widen(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // A system that refuses keeps its own size.
  }
}
