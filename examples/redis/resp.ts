/** RESP2, the protocol of Redis and its kin, as a codec for a `RequestClient`. https://redis.io/docs/latest/develop/reference/protocol-spec/ */
import type { Codec, Decoder, ReplyFailure } from 'poold/request';

/** A command and its arguments. */
export type Command = readonly (string | number | Uint8Array)[];

/** What Redis says when it will not: the first word is its kind, `ERR`, `WRONGTYPE`, `LOADING`. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
}

/** Bulk strings are read as UTF-8. */
export type Reply = string | number | null | RedisError | readonly Reply[];

/** Redis takes no longer bulk strings by itself (`proto-max-bulk-len`), bytes. */
const MAX_BULK_BYTES = 512 * 1024 * 1024;

/** Longer lines and deeper arrays are no replies of Redis. */
const MAX_LINE_BYTES = 64 * 1024;
const MAX_DEPTH = 64;

/** Refusals that a moment later, or of another server, may be none: nothing was done. Some come in place of the first reply. */
const TRANSIENT = /^(?:LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|DENIED|ERR max number of clients reached)\b/;

export const respCodec: Codec<Command, Reply> = {
  encode,
  decoder: () => new RespDecoder(),
  failure: (reply): ReplyFailure | undefined => {
    if (!(reply instanceof RedisError)) return undefined;
    return { kind: TRANSIENT.test(reply.message) ? 'transient' : 'permanent', error: reply };
  },
};

/** The heads of short bulk strings, made once. */
const HEADS = Array.from({ length: 256 }, (_, length) => `$${length}\r\n`);

/** Below this a look at each character is quicker than a call of Node, characters. */
const SHORT = 48;

function byteLength(text: string): number {
  const { length } = text;
  if (length > SHORT) return Buffer.byteLength(text);
  for (let at = 0; at < length; at += 1) if (text.charCodeAt(at) > 0x7f) return Buffer.byteLength(text);
  return length;
}

/** Text as long as it is text: several commands in one write are then one string. */
function encode(command: Command): string | Uint8Array {
  // Redis does not answer it: the next reply would be taken for its own.
  if (command.length === 0) throw new Error('a command has a name');
  let text = `*${command.length}\r\n`;
  for (const part of command) {
    if (typeof part === 'object') return encodeBytes(command);
    const argument = typeof part === 'string' ? part : String(part);
    const length = byteLength(argument);
    text += (HEADS[length] ?? `$${length}\r\n`) + argument + '\r\n';
  }
  return text;
}

function encodeBytes(command: Command): Uint8Array {
  const pieces: Uint8Array[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const part of command) {
    const bytes = typeof part === 'object' ? part : Buffer.from(String(part));
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(pieces);
}

/** An array of which some items are still to come. */
interface Open {
  readonly items: Reply[];
  readonly length: number;
}

/** What came whole, and then what is wrong. Where nothing is, an array is quicker than a generator. */
function* thenThrow(replies: readonly Reply[], error: unknown): Generator<Reply, void> {
  yield* replies;
  throw error;
}

/** Reads replies as they come. Of a chunk nothing is copied but what is cut off at its end. */
class RespDecoder implements Decoder<Reply> {
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The beginning of a line whose end is to come. */
  #line: Buffer | undefined;
  /** A bulk string's pieces, and how many bytes are to come, its end of line included. */
  #pieces: Buffer[] = [];
  #missing = 0;
  readonly #open: Open[] = [];

  push(bytes: Buffer): Iterable<Reply> {
    const replies: Reply[] = [];
    this.#chunk = bytes;
    this.#at = 0;
    try {
      while (this.#at < bytes.length) {
        const value = this.#missing > 0 ? this.#more() : this.#next();
        if (value === undefined) continue;
        const reply = this.#close(value);
        if (reply !== undefined) replies.push(reply);
      }
    } catch (error) {
      return thenThrow(replies, error);
    }
    return replies;
  }

  /** The next value; undefined when it has only begun. */
  #next(): Reply | undefined {
    const end = this.#chunk.indexOf(0x0a, this.#at);
    if (this.#line !== undefined || end < 0) return this.#cutLine(end);
    const start = this.#at;
    this.#at = end + 1;
    return this.#value(this.#chunk, start, end - 1);
  }

  /** A line that chunks cut in two: it is short. */
  #cutLine(end: number): Reply | undefined {
    const piece = this.#chunk.subarray(this.#at, end < 0 ? undefined : end + 1);
    const line = Buffer.concat([this.#line ?? Buffer.alloc(0), piece]);
    if (line.length > MAX_LINE_BYTES) throw new Error(`a line of more than ${MAX_LINE_BYTES} bytes`);
    this.#at += piece.length;
    this.#line = end < 0 ? line : undefined;
    return end < 0 ? undefined : this.#value(line, 0, line.length - 2);
  }

  /** What the line from `start` to `end` says. */
  #value(bytes: Buffer, start: number, end: number): Reply | undefined {
    switch (bytes[start]) {
      case 0x2b: // +
        return bytes.toString('utf8', start + 1, end);
      case 0x2d: // -
        return new RedisError(bytes.toString('utf8', start + 1, end));
      case 0x3a: // :
        return toNumber(bytes, start + 1, end);
      case 0x24: // $
        return this.#bulk(toNumber(bytes, start + 1, end));
      case 0x2a: // *
        return this.#array(toNumber(bytes, start + 1, end));
      default:
        throw new Error(`no reply begins with byte ${bytes[start]}`);
    }
  }

  #bulk(length: number): Reply | undefined {
    if (length < 0) return null;
    if (length > MAX_BULK_BYTES) throw new Error(`a bulk string of ${length} bytes`);
    const start = this.#at;
    if (start + length + 2 <= this.#chunk.length) {
      this.#at = start + length + 2;
      return this.#chunk.toString('utf8', start, start + length);
    }
    this.#missing = length + 2;
    return undefined;
  }

  /** More of a bulk string that did not come in one chunk. */
  #more(): Reply | undefined {
    const piece = this.#chunk.subarray(this.#at, this.#at + this.#missing);
    this.#at += piece.length;
    this.#missing -= piece.length;
    this.#pieces.push(piece);
    if (this.#missing > 0) return undefined;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [];
    return whole.toString('utf8', 0, whole.length - 2);
  }

  #array(length: number): Reply | undefined {
    if (length < 0) return null;
    if (length === 0) return [];
    if (this.#open.length === MAX_DEPTH) throw new Error(`arrays more than ${MAX_DEPTH} deep`);
    this.#open.push({ items: [], length });
    return undefined;
  }

  /** Puts a value where it belongs; returns the reply that is complete with it. */
  #close(value: Reply): Reply | undefined {
    for (let done = value; ; ) {
      const array = this.#open.at(-1);
      if (array === undefined) return done;
      array.items.push(done);
      if (array.items.length < array.length) return undefined;
      this.#open.pop();
      done = array.items;
    }
  }
}

function toNumber(bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === 0x2d;
  let value = 0;
  for (let at = negative ? start + 1 : start; at < end; at += 1) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) throw new Error('a number with something else in it');
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}
