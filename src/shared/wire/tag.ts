/** The tag: the first bytes on every pooled connection, which name it the same at both ends. */

import { randomBytes } from 'node:crypto';
import { nanoid } from 'nanoid';
import { BadTagError } from '../errors.ts';

/** `text8`: 8 ASCII characters. `raw4`: 4 bytes whose lower-case hex is the ID, as NodePass 1.14 has it. */
export type IdFormat = 'text8' | 'raw4';

/** Random IDs collide only by chance; this many in a row means that `taken` is wrong. */
const MAX_TRIES = 100;

/** NodePass takes the connection of this name for its control connection. */
const CONTROL_ID = '00000000';

const TEXT8 = /^[A-Za-z0-9_-]{8}$/;
const RAW4 = /^[0-9a-f]{8}$/;

/** How many bytes a tag has on the wire. */
export function TAG_BYTES(format: IdFormat): 4 | 8 {
  return format === 'text8' ? 8 : 4;
}

/**
 * A random ID that no live connection has.
 * @param taken says whether a live connection has this ID
 * @param generate makes the candidates; tests pass their own
 * @throws Error if 100 candidates in a row are taken
 */
export function newId(
  format: IdFormat,
  taken: (id: string) => boolean,
  generate: (format: IdFormat) => string = randomId,
): string {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const id = generate(format);
    if (id !== CONTROL_ID && !taken(id)) return id;
  }
  throw new Error(`no free ID after ${MAX_TRIES} tries; does "taken" say yes to everything?`);
}

function randomId(format: IdFormat): string {
  return format === 'text8' ? nanoid(8) : randomBytes(4).toString('hex');
}

/**
 * The bytes of a tag.
 * @throws RangeError if `id` is not of this format
 */
export function encodeTag(id: string, format: IdFormat): Buffer {
  const isText = format === 'text8';
  if (!(isText ? TEXT8 : RAW4).test(id)) throw new RangeError(`"${id}" is no ID of the format ${format}`);
  return Buffer.from(id, isText ? 'latin1' : 'hex');
}

/**
 * The ID in a tag. Fewer bytes than a tag has may be given when the connection has ended, for a better message.
 * With `raw4` any 4 bytes are an ID, so other protocols cannot be told apart.
 * @throws BadTagError if `bytes` are not a tag; the message says what they look like
 */
export function decodeTag(bytes: Buffer, format: IdFormat): string {
  const complete = bytes.length === TAG_BYTES(format);
  if (format === 'raw4' && complete) return bytes.toString('hex');
  const text = bytes.toString('latin1');
  if (format === 'text8' && TEXT8.test(text)) return text;
  throw new BadTagError(guess(bytes, text) ?? describe(bytes, TAG_BYTES(format)));
}

/** What a server says first that is no poold, as far as it can be told. */
function guess(bytes: Buffer, text: string): string | undefined {
  if (text.startsWith('SSH-')) return 'the server speaks SSH, not poold; check the address and the port';
  if (text.startsWith('HTTP/')) return 'the server speaks HTTP, not poold; check the address and the port';
  // A TLS record: alert (0x15) or handshake (0x16), then the major version 3 that all of TLS has.
  if ((bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 0x03) {
    return 'the server speaks TLS; use the same --tls mode on both sides';
  }
  return undefined;
}

function describe(bytes: Buffer, wanted: number): string {
  if (bytes.length < wanted) return `the connection ended after ${bytes.length} of the ${wanted} bytes of the tag`;
  return `the server sent 0x${bytes.toString('hex')} where the tag is due; is it a poold with the same ID format?`;
}
