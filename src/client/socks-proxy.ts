/** A way through a SOCKS5 proxy: CONNECT (RFC 1928), with user and password where it wants them (RFC 1929). */
import { connect, isIP, isIPv4, type Socket } from 'node:net';
import { formatAddress, type HostAddress, normaliseIp } from '../shared/net/address.ts';
import { SOCKET_OPTIONS } from '../shared/net/socket-options.ts';
import { networkFault, proxyFault } from './proxy-fault.ts';
import type { Credentials, ProxyServer } from './proxy-url.ts';

const VERSION = 5;
const CONNECT = 1;

/** How the proxy lets us in (RFC 1928, 3). */
const Method = { none: 0, password: 2 } as const;
/** The version of the exchange of user and password (RFC 1929, 2). */
const PASSWORD_VERSION = 1;

/** How an address is written (RFC 1928, 5). */
const AddressType = { ipv4: 1, name: 3, ipv6: 4 } as const;
const ADDRESS_BYTES: Readonly<Record<number, number>> = { [AddressType.ipv4]: 4, [AddressType.ipv6]: 16 };
const PORT_BYTES = 2;

/** Why there is no connection (RFC 1928, 6). */
const REPLIES: Readonly<Record<number, string>> = {
  1: 'a general failure',
  2: 'its rules forbid it',
  3: 'the network is unreachable',
  4: 'the host is unreachable, or its name unknown',
  5: 'the connection is refused',
  6: 'the time to live has expired',
  7: 'it knows no CONNECT',
  8: 'it does not know this kind of address',
};

const NOT_SOCKS = 'does not speak SOCKS5; check the scheme and port of its URL';

/** What to call for each connection; its promise rejects with a DialError. Names are looked up by the proxy. */
export function askSocksProxy(proxy: ProxyServer, to: HostAddress): (signal: AbortSignal) => Promise<Socket> {
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect({ ...proxy.address, ...SOCKET_OPTIONS });
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', onAbort);
        socket.destroy();
        reject(error);
      };
      const onAbort = (): void => fail(signal.reason);
      const onError = (cause: Error): void => fail(networkFault(proxy, cause));
      const onHangUp = (): void => {
        fail(proxyFault(proxy, 'hung up before it had connected us; check that it speaks SOCKS5, and its log'));
      };
      const onThrough = (): void => {
        signal.removeEventListener('abort', onAbort);
        socket.off('error', onError).off('end', onHangUp).off('close', onHangUp);
        resolve(socket);
      };
      signal.addEventListener('abort', onAbort);
      socket.on('error', onError).on('end', onHangUp).on('close', onHangUp);
      socket.once('connect', () => void shakeHands(socket, proxy, to).then(onThrough, fail));
    });
}

async function shakeHands(socket: Socket, proxy: ProxyServer, to: HostAddress): Promise<void> {
  const { credentials } = proxy;
  const methods = credentials === undefined ? [Method.none] : [Method.none, Method.password];
  socket.write(Buffer.of(VERSION, methods.length, ...methods));
  const [version, method] = await take(socket, 2);
  if (version !== VERSION) throw proxyFault(proxy, NOT_SOCKS);
  if (method === Method.password && credentials !== undefined) {
    socket.write(passwordRequest(credentials));
    const [, status] = await take(socket, 2);
    if (status !== 0) {
      throw proxyFault(proxy, 'does not take the user and password in its URL; check both', { refused: true });
    }
  } else if (method !== Method.none) {
    const problem =
      credentials === undefined
        ? 'wants a user and a password: give them in its URL, socks5://user:password@host:port'
        : 'lets in neither everybody nor a user with a password, which is all that poold knows; ask whoever runs it';
    throw proxyFault(proxy, problem, { refused: true });
  }
  socket.write(connectRequest(to));
  const [replyVersion, reply = 0, , type = 0] = await take(socket, 4);
  if (replyVersion !== VERSION) throw proxyFault(proxy, NOT_SOCKS);
  if (reply !== 0) {
    const why = REPLIES[reply] ?? `reply ${reply}`;
    throw proxyFault(proxy, `does not connect us to ${formatAddress(to)}: ${why}; check that address, and the server`);
  }
  // The address that it connects from says nothing to us, but the server's bytes stand behind it.
  const length = type === AddressType.name ? (await take(socket, 1))[0] : ADDRESS_BYTES[type];
  if (length === undefined) throw proxyFault(proxy, NOT_SOCKS);
  await take(socket, length + PORT_BYTES);
}

/** Exactly so many bytes; what is behind them stays in the socket. Waits for ever on a socket that ends. */
function take(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const look = (): void => {
      const bytes = socket.read(length) as Buffer | null;
      if (bytes?.length !== length) return;
      socket.off('readable', look);
      resolve(bytes);
    };
    socket.on('readable', look);
    look();
  });
}

function passwordRequest({ user, password }: Credentials): Buffer {
  const parts = [user, password].map((part) => Buffer.from(part));
  return Buffer.concat([Buffer.of(PASSWORD_VERSION), ...parts.flatMap((part) => [Buffer.of(part.length), part])]);
}

function connectRequest({ host, port }: HostAddress): Buffer {
  const end = Buffer.alloc(PORT_BYTES);
  end.writeUInt16BE(port);
  return Buffer.concat([Buffer.of(VERSION, CONNECT, 0), addressBytes(host), end]);
}

function addressBytes(host: string): Buffer {
  if (isIP(host) === 0) {
    const name = Buffer.from(host);
    return Buffer.concat([Buffer.of(AddressType.name, name.length), name]);
  }
  const ip = normaliseIp(host);
  if (isIPv4(ip)) return Buffer.of(AddressType.ipv4, ...ip.split('.').map(Number));
  return Buffer.concat([Buffer.of(AddressType.ipv6), ipv6Bytes(ip)]);
}

function ipv6Bytes(ip: string): Buffer {
  // A URL's host is written in groups alone, without the dots of an IPv4 address at its end.
  const { hostname } = new URL(`http://[${ip}]`);
  const [head = [], tail = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
