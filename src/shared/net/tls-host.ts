/** The server name in a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), however records and packets cut it. Pure. */
import { hostFrom, type HostRead } from './host-read.ts';

/** The type of a record that holds a handshake. */
export const HANDSHAKE_RECORD = 22;

/** The handshake's type, the extension's, and that of a name in it. */
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;

/** Bytes in front of a record's content, and in front of a handshake's. */
const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;

function tls(host: string | undefined, unclear = false): HostRead {
  return { host, protocol: 'tls', unclear };
}

const NOT_TLS: HostRead = { host: undefined, protocol: 'other', unclear: false };

/**
 * @param bytes all that has come so far
 * @param isFull whether no more of it is looked at
 * @returns undefined while more bytes may name it
 */
export function readServerName(bytes: Buffer, isFull: boolean): HostRead | undefined {
  if (bytes.length < RECORD_HEADER_BYTES) return undefined;
  if (bytes[1] !== 3) return NOT_TLS;
  if (!isWhole(bytes)) return isFull ? tls(undefined) : undefined;
  const handshake = new Reader(handshakeBytes(bytes));
  if (handshake.number(1) !== CLIENT_HELLO) return NOT_TLS;
  try {
    const name = serverNameIn(handshake.vector(3));
    if (name === undefined) return tls(undefined);
    const host = hostFrom(name);
    return tls(host, host === undefined);
  } catch (error) {
    if (error instanceof ShortError) return tls(undefined);
    throw error;
  }
}

/** The next record with content of a handshake; undefined where there is none. */
function recordAt(bytes: Buffer, at: number): number | undefined {
  const fits = at + RECORD_HEADER_BYTES <= bytes.length;
  return fits && bytes[at] === HANDSHAKE_RECORD && bytes[at + 1] === 3 ? bytes.readUInt16BE(at + 3) : undefined;
}

/** Whether the first handshake is all there. Asked for each piece that comes: it makes nothing. */
function isWhole(bytes: Buffer): boolean {
  let have = 0;
  let length = 0;
  for (let at = 0, size = recordAt(bytes, at); size !== undefined; size = recordAt(bytes, at)) {
    const start = at + RECORD_HEADER_BYTES;
    const end = Math.min(start + size, bytes.length);
    // The three bytes behind the type are its length, wherever the records cut them.
    for (let i = start; i < end && have + i - start < HANDSHAKE_HEADER_BYTES; i += 1) {
      if (have + i - start > 0) length = length * 256 + (bytes[i] as number);
    }
    have += end - start;
    at = start + size;
  }
  return have >= HANDSHAKE_HEADER_BYTES + length && have >= HANDSHAKE_HEADER_BYTES;
}

/** The handshake's bytes, which may be spread over several records. */
function handshakeBytes(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, size = recordAt(bytes, at); size !== undefined; size = recordAt(bytes, at)) {
    const start = at + RECORD_HEADER_BYTES;
    parts.push(bytes.subarray(start, start + size));
    at = start + size;
  }
  return Buffer.concat(parts);
}

function serverNameIn(hello: Reader): string | undefined {
  // Version and random.
  hello.skip(2 + 32);
  // Session ID, cipher suites, compression methods.
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  if (hello.left === 0) return undefined;
  const extensions = hello.vector(2);
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type !== SERVER_NAME_EXTENSION) continue;
    const names = content.vector(2);
    while (names.left > 0) {
      const kind = names.number(1);
      const name = names.vector(2);
      if (kind === HOST_NAME) return name.text();
    }
  }
  return undefined;
}

/** The bytes end before what they announce. */
class ShortError extends Error {}

/** Takes numbers and length-prefixed parts off a buffer's front. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(length: number): void {
    if (length > this.left) throw new ShortError();
    this.#at += length;
  }

  number(length: 1 | 2 | 3): number {
    this.skip(length);
    return this.#bytes.readUIntBE(this.#at - length, length);
  }

  /** A part behind its own length, which takes `prefix` bytes. */
  vector(prefix: 1 | 2 | 3): Reader {
    const length = this.number(prefix);
    this.skip(length);
    return new Reader(this.#bytes.subarray(this.#at - length, this.#at));
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#at);
  }
}
