/**
 * The host that a visitor asks for, read from the first bytes of its connection: by TLS from the server name in the
 * ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), without TLS from the Host header of an HTTP request. Pure, and it ends
 * nothing: the bytes go on to the target as they came.
 */

/** What the first bytes say. `host` is lower-case and without port; undefined when they name none. */
export interface HostRead {
  readonly host: string | undefined;
}

/** The most that is looked at, bytes: a ClientHello with several post-quantum key shares takes 4 KiB. */
export const MAX_PEEK_BYTES = 16 * 1024;

/** They name none, or are neither TLS nor HTTP. */
const NONE: HostRead = { host: undefined };

/** TLS: the record type and the handshake type, the name type and its extension. */
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;

/** A request line begins with a method, which has upper-case letters alone in all that are registered. */
const METHOD = /^[A-Z][A-Z-]{0,31}(?: |$)/;

const HOST_HEADER = /\r\nhost:[ \t]*([^\r\n]*?)[ \t]*\r\n/i;

/**
 * Reads the host that a connection asks for.
 *
 * @param bytes all that has come so far
 * @returns undefined while more bytes may name it
 */
export function readHost(bytes: Buffer): HostRead | undefined {
  if (bytes.length === 0) return undefined;
  const read = bytes[0] === HANDSHAKE_RECORD ? readServerName(bytes) : readHostHeader(bytes);
  return read === undefined && bytes.length >= MAX_PEEK_BYTES ? NONE : read;
}

function readHostHeader(bytes: Buffer): HostRead | undefined {
  const text = bytes.toString('latin1', 0, MAX_PEEK_BYTES);
  if (!METHOD.test(text)) return NONE;
  const end = text.indexOf('\r\n\r\n');
  const head = end === -1 ? text : text.slice(0, end + 2);
  const found = HOST_HEADER.exec(head)?.[1];
  if (found === undefined) return end === -1 ? undefined : NONE;
  return { host: hostOnly(found) };
}

/** `Example.org:8080` → `example.org`. */
function hostOnly(authority: string): string | undefined {
  const host = authority
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return host === '' ? undefined : host;
}

function readServerName(bytes: Buffer): HostRead | undefined {
  const handshake = new Reader(handshakeBytes(bytes));
  if (handshake.left < 4) return bytes.length < 5 || bytes[1] === 3 ? undefined : NONE;
  if (handshake.number(1) !== CLIENT_HELLO) return NONE;
  const length = handshake.number(3);
  if (handshake.left < length) return undefined;
  try {
    return { host: serverNameIn(handshake) };
  } catch (error) {
    if (error instanceof ShortError) return NONE;
    throw error;
  }
}

/** The handshake's bytes, which may be spread over several records. */
function handshakeBytes(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length && bytes[at] === HANDSHAKE_RECORD && bytes[at + 1] === 3; ) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, end));
    at = end;
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
      if (kind === HOST_NAME) return hostOnly(name.text());
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
