/** Addresses as text and back: where to listen and to dial, and who is at the ends of a socket. */

import { isIP, isIPv4, isIPv6, type Socket, SocketAddress } from 'node:net';

/** A TCP address. An IPv6 `host` has no brackets. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** A unix socket. */
export interface UnixAddress {
  readonly path: string;
}

export type Address = HostAddress | UnixAddress;

/** What {@link parseAddress} accepts besides `host:port` and `unix:/path`. */
export interface AddressOptions {
  /** The host of a port that stands alone; without it, `3000` is refused. */
  readonly defaultHost?: string;
  /** Whether port 0 (the system chooses one) makes sense: it does for listening, not for dialling. */
  readonly allowPortZero?: boolean;
}

const UNIX_PREFIX = 'unix:';

const MAX_PORT = 65_535;

/** RFC 1035, 2.3.4, without the closing dot and the bytes that only the wire has. */
const MAX_HOST_LENGTH = 253;

/** One label of a host name. DNS host names have no underscore, but the names of containers do. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/**
 * The longest path of a unix socket, bytes: macOS has room for 104 with the closing zero, Linux for
 * 108. Node may cut a longer one silently, and the two sides would then look for different files.
 */
const MAX_PATH_BYTES = 103;

/** The start of an IPv4 address inside IPv6 (RFC 4291, 2.5.5.2), as {@link SocketAddress} writes it. */
const MAPPED_PREFIX = '::ffff:';

/**
 * Reads `host:port`, `[::1]:8080`, `unix:/path` and, if there is a default host, a port alone.
 *
 * @throws RangeError whose message names the text and the problem, but not the option
 */
export function parseAddress(text: string, options: AddressOptions = {}): Address {
  if (text.startsWith(UNIX_PREFIX)) {
    return { path: parsePath(text) };
  }
  if (text.includes('://')) {
    throw new RangeError(`"${text}" is a URL; write host:port alone`);
  }
  if (/^\d+$/.test(text)) {
    if (options.defaultHost === undefined) {
      throw new RangeError(`"${text}" has no host; write host:port, for instance 127.0.0.1:${text}`);
    }
    return { host: options.defaultHost, port: parsePort(text, text, options) };
  }
  const colon = text.lastIndexOf(':');
  if (colon === -1 || text.endsWith(']')) {
    throw new RangeError(`"${text}" has no port; write host:port`);
  }
  return { host: parseHost(text.slice(0, colon), text), port: parsePort(text.slice(colon + 1), text, options) };
}

/** Writes an address in the form that {@link parseAddress} reads. */
export function formatAddress(address: Address): string {
  return 'path' in address ? `${UNIX_PREFIX}${address.path}` : joinHostPort(address.host, address.port);
}

/**
 * Whether only this machine can reach `host`: 127.0.0.0/8, `::1`, either of them inside IPv6, or the
 * name `localhost`. Other names are not looked up and count as reachable from outside.
 */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 0) {
    return host.toLowerCase() === 'localhost';
  }
  const ip = normaliseIp(host);
  return ip === '::1' || (isIPv4(ip) && ip.startsWith('127.'));
}

/**
 * One text for each IP address, so that equal addresses are equal strings: an IPv4 address inside
 * IPv6 becomes plain IPv4, IPv6 is lower-case and shortened, and a zone (`%eth0`) is dropped.
 *
 * @throws RangeError if `ip` is not an IP address
 */
export function normaliseIp(ip: string): string {
  if (isIPv4(ip)) {
    return ip;
  }
  if (!isIPv6(ip)) {
    throw new RangeError(`"${ip}" is not an IP address`);
  }
  const { address } = new SocketAddress({ address: ip, family: 'ipv6' });
  const inside = address.startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : '';
  return isIPv4(inside) ? inside : address;
}

/**
 * Who is at the other end: `ip:port`, `[ip]:port`, or `unix`. `unknown` if the socket is not
 * connected; a destroyed socket may have forgotten its peer, so ask while it is alive.
 */
export function remoteOf(socket: Socket): string {
  return endOf(socket, socket.remoteAddress, socket.remotePort);
}

/** Whether an IP address stands for all of a machine's. */
export function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

/** This end of the socket, in the words of {@link remoteOf}. */
export function localOf(socket: Socket): string {
  return endOf(socket, socket.localAddress, socket.localPort);
}

function endOf(socket: Socket, ip: string | undefined, port: number | undefined): string {
  if (ip === undefined || port === undefined) {
    return socket.pending ? 'unknown' : 'unix';
  }
  return joinHostPort(normaliseIp(ip), port);
}

function joinHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function parsePath(text: string): string {
  const path = text.slice(UNIX_PREFIX.length);
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new RangeError(`"${text}" is not the absolute path of a unix socket; write unix:/path`);
  }
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new RangeError(`"${text}" is too long for a unix socket; use at most ${MAX_PATH_BYTES} bytes`);
  }
  return path;
}

function parseHost(host: string, text: string): string {
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  if (bracketed !== undefined) {
    if (!isIPv6(bracketed)) {
      throw new RangeError(`"${text}" has no IPv6 address between its brackets`);
    }
    return bracketed;
  }
  if (host === '') {
    throw new RangeError(`"${text}" has no host; write 127.0.0.1${text} for this machine, 0.0.0.0${text} for all`);
  }
  if (host.includes(':')) {
    throw new RangeError(`"${text}" is ambiguous; write an IPv6 address in brackets, for instance [::1]:8080`);
  }
  if (!isIPv4(host) && !isHostName(host)) {
    throw new RangeError(`"${text}" has neither a host name nor an IP address before the port`);
  }
  return host;
}

/**
 * Reads a host name or an IP address that stands alone, as certificates have them; brackets and a closing dot are dropped.
 *
 * @throws RangeError whose message names the text and the problem, but not the option
 */
export function parseHostAlone(text: string): string {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text.replace(/\.$/, '');
  if (isIP(bare) === 0) {
    if (isHostName(bare)) return bare;
    throw new RangeError(`"${text}" is neither a host name nor an IP address; write it alone, without port or scheme`);
  }
  const ip = normaliseIp(bare);
  if (isWildcard(ip)) throw new RangeError(`"${text}" stands for all addresses; write one that others can reach`);
  // What is left with a dot in it, ::1.2.3.4, has been out of use since 2006 (RFC 4291, 2.5.5.1).
  if (isIPv6(ip) && ip.includes('.'))
    throw new RangeError(`"${text}" is no address of these days; write 1.2.3.4 alone`);
  return ip;
}

/** A name whose last label is a number is a mistyped IPv4 address (RFC 1123, 2.1). */
function isHostName(host: string): boolean {
  const labels = host.replace(/\.$/, '').split('.');
  return (
    host.length <= MAX_HOST_LENGTH && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
  );
}

function parsePort(digits: string, text: string, options: AddressOptions): number {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(port <= MAX_PORT)) {
    throw new RangeError(`"${text}" has no valid port; use a number from 1 to ${MAX_PORT}`);
  }
  if (port === 0 && options.allowPortZero !== true) {
    throw new RangeError(`"${text}" has port 0, which nothing can be reached at; use a number from 1 to ${MAX_PORT}`);
  }
  return port;
}
