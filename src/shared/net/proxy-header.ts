/**
 * The PROXY protocol, versions 1 and 2: a header in front of a connection's bytes that says who is really at the other
 * end (haproxy.org/download/3.0/doc/proxy-protocol.txt). Pure: bytes in, bytes out.
 */
import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { ProtocolError } from '../errors.ts';
import { type HostAddress, normaliseIp } from './address.ts';

/** `1` is a line of text, `2` is binary. */
export type ProxyVersion = 1 | 2;

/** The two ends of a connection: who connected, and what it connected to. */
export interface ProxyEnds {
  readonly source: HostAddress;
  readonly destination: HostAddress;
}

/** A header that was read. */
export interface ProxyHeader {
  /** Undefined where the sender speaks for itself (LOCAL, a health check) or does not know (UNKNOWN). */
  readonly ends: ProxyEnds | undefined;
  /** Its length: what stands behind it is the connection's own, bytes. */
  readonly bytes: number;
}

/** The longest line of version 1 with its end, bytes (section 2.1). */
const MAX_LINE_BYTES = 107;

/** What begins every header of version 2 (section 2.2). */
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Signature, version and command, family, length. */
const PREFIX_BYTES = 16;

/**
 * The most behind the prefix of version 2, bytes: addresses take at most 216, and what balancers add to them (names,
 * TLS facts) stays below this; the format would let a stranger send 64 KiB.
 */
export const MAX_REST_BYTES = 4096;

const LOCAL = 0x20;
const PROXY = 0x21;

/** Address family and transport in one byte. Datagrams are told as streams are: a visit's header comes once. */
const TCP4 = 0x11;
const TCP6 = 0x21;
/** Bytes of an IP address of that family. */
const IP_BYTES = new Map([
  [TCP4, 4],
  [0x12, 4],
  [TCP6, 16],
  [0x22, 16],
]);

const LINE_START = Buffer.from('PROXY ', 'latin1');

/**
 * Writes a header. Without `ends` it says that they are not known. IPv4 and IPv6 in one connection are both written as
 * IPv6, the one inside the other.
 */
export function encodeProxyHeader(version: ProxyVersion, ends: ProxyEnds | undefined): Buffer {
  const known = ends !== undefined && isIP(ends.source.host) !== 0 && isIP(ends.destination.host) !== 0;
  const both = known ? sameFamily(ends) : undefined;
  return version === 1 ? encodeLine(both) : encodeBinary(both);
}

/**
 * Reads a header of either version from the first bytes of a connection.
 *
 * @returns undefined while it is not whole
 * @throws ProtocolError when the bytes begin no header, or one that is too long or makes no sense
 */
export function decodeProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (begins(bytes, SIGNATURE)) return decodeBinary(bytes);
  if (begins(bytes, LINE_START)) return decodeLine(bytes);
  throw new ProtocolError('the connection does not begin with a PROXY header; its sender must be told to send one');
}

/** Whether one of the two is the beginning of the other. */
function begins(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function sameFamily({ source, destination }: ProxyEnds): ProxyEnds & { readonly v4: boolean } {
  const [from, to] = [normaliseIp(source.host), normaliseIp(destination.host)];
  const v4 = isIPv4(from) && isIPv4(to);
  const host = (ip: string): string => (v4 || isIPv6(ip) ? ip : `::ffff:${ip}`);
  return {
    source: { host: host(from), port: source.port },
    destination: { host: host(to), port: destination.port },
    v4,
  };
}

type Both = ReturnType<typeof sameFamily>;

function encodeLine(both: Both | undefined): Buffer {
  if (both === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const { source, destination, v4 } = both;
  const family = v4 ? 'TCP4' : 'TCP6';
  return Buffer.from(
    `PROXY ${family} ${source.host} ${destination.host} ${source.port} ${destination.port}\r\n`,
    'latin1',
  );
}

function encodeBinary(both: Both | undefined): Buffer {
  if (both === undefined) return Buffer.concat([SIGNATURE, Buffer.from([LOCAL, 0, 0, 0])]);
  const { source, destination, v4 } = both;
  const rest = [ipBytes(source.host), ipBytes(destination.host), portBytes(source.port), portBytes(destination.port)];
  const length = v4 ? 12 : 36;
  return Buffer.concat([SIGNATURE, Buffer.from([PROXY, v4 ? TCP4 : TCP6, 0, length]), ...rest]);
}

function portBytes(port: number): Buffer {
  return Buffer.from([port >> 8, port & 0xff]);
}

/** An IP address as its 4 or 16 bytes. */
function ipBytes(ip: string): Buffer {
  if (isIPv4(ip)) return Buffer.from(ip.split('.').map(Number));
  const embedded = ip.slice(ip.lastIndexOf(':') + 1);
  if (isIPv4(embedded)) {
    const [a = 0, b = 0, c = 0, d = 0] = embedded.split('.').map(Number);
    const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    return ipBytes(ip.slice(0, -embedded.length) + hex);
  }
  const [head = '', tail] = ip.split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - front.length - back.length }, () => 0);
  return Buffer.from([...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 0xff]));
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function ipOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const hex = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return normaliseIp(new SocketAddress({ address: hex.join(':'), family: 'ipv6' }).address);
}

function decodeBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < PREFIX_BYTES) return undefined;
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = bytes.readUInt16BE(14);
  if (command !== LOCAL && command !== PROXY) {
    throw new ProtocolError(`a PROXY header of version and command 0x${command.toString(16)}, which nobody knows`);
  }
  if (length > MAX_REST_BYTES) {
    throw new ProtocolError(`a PROXY header of ${length} bytes; more than ${MAX_REST_BYTES} are not taken`);
  }
  const end = PREFIX_BYTES + length;
  if (bytes.length < end) return undefined;
  const ip = IP_BYTES.get(family);
  // A unix socket's address, or none: the header is taken, and says nothing.
  if (command === LOCAL || ip === undefined) return { ends: undefined, bytes: end };
  if (length < 2 * ip + 4) throw new ProtocolError('a PROXY header that is too short for its addresses');
  const at = (offset: number): number => PREFIX_BYTES + offset;
  const source = { host: ipOf(bytes.subarray(at(0), at(ip))), port: bytes.readUInt16BE(at(2 * ip)) };
  const destination = { host: ipOf(bytes.subarray(at(ip), at(2 * ip))), port: bytes.readUInt16BE(at(2 * ip + 2)) };
  return { ends: { source, destination }, bytes: end };
}

function decodeLine(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, MAX_LINE_BYTES).indexOf('\r\n');
  if (end === -1) {
    if (bytes.length >= MAX_LINE_BYTES) throw new ProtocolError('a PROXY line that does not end within 107 bytes');
    return undefined;
  }
  const line = bytes.toString('latin1', 0, end);
  const [, family, from = '', to = '', fromPort = '', toPort = '', ...more] = line.split(' ');
  if (family === 'UNKNOWN') return { ends: undefined, bytes: end + 2 };
  const isOne = family === 'TCP4' ? isIPv4 : isIPv6;
  const known = (family === 'TCP4' || family === 'TCP6') && isOne(from) && isOne(to) && more.length === 0;
  if (!known || !isPort(fromPort) || !isPort(toPort)) {
    throw new ProtocolError('a PROXY line whose addresses make no sense');
  }
  const source = { host: normaliseIp(from), port: Number(fromPort) };
  return { ends: { source, destination: { host: normaliseIp(to), port: Number(toPort) } }, bytes: end + 2 };
}

function isPort(digits: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(digits) && Number(digits) <= 65_535;
}
