/** What the payloads of several messages have in common: strict JSON, names, addresses, text for people, lengths. */

import { isIP } from 'node:net';
import * as v from 'valibot';
import { ProtocolError } from '../errors.ts';

/** What stands for the address of a peer on a unix socket, which has none. */
const UNIX = 'unix';

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** `host:port`, the host in brackets or without a colon, the port without leading zeros. */
const ADDRESS = /^(?:\[([^\]]+)\]|([^:[\]]+)):(0|[1-9]\d{0,4})$/;
const MAX_PORT = 65_535;
/** Controls, invisible and bidirectional marks, halves of a surrogate pair, line and paragraph separators. */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

// `fatal` refuses what is not UTF-8; `ignoreBOM` keeps a byte order mark, which JSON then refuses.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** True for a name as tunnels have it: 1 to 64 of `A-Z a-z 0-9 . _ -`. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** True for `ip:port` and `[ipv6]:port`, both numeric, and for the word `unix`. */
export function isAddress(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  if (value === UNIX) return true;
  const match = ADDRESS.exec(value);
  if (match === null || Number(match[3]) > MAX_PORT) return false;
  const [, bracketed, bare] = match;
  return bracketed === undefined ? isIP(bare ?? '') === 4 : isIP(bracketed) === 6;
}

/** Takes out of `text` whatever could forge a log line or confuse a terminal. */
export function printable(text: string): string {
  return text.replace(NOT_PRINTABLE, '');
}

/**
 * The text in `bytes`.
 * @throws ProtocolError if it is not UTF-8
 */
export function readText(bytes: Uint8Array, frame: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new ProtocolError(`${frame}: the text is not UTF-8`, { cause });
  }
}

/**
 * The JSON object in `bytes`.
 * @throws ProtocolError if it is not UTF-8, not JSON or not an object
 */
export function readJson(bytes: Uint8Array, frame: string): object {
  const text = readText(bytes, frame);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which is the peer's: it does not belong into a log.
    throw new ProtocolError(`${frame}: the payload is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${frame}: the payload is not a JSON object`);
  }
  return value;
}

/**
 * Checks `value` against `schema`; the result holds the schema's own keys and nothing else.
 * @throws whatever `fail` makes of the first problem, which names the key but never quotes what stood there
 */
export function check<T>(
  schema: v.GenericSchema<unknown, T>,
  value: object,
  frame: string,
  fail: (message: string) => Error,
): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw fail(`${frame}: ${v.getDotPath(issue) ?? 'the payload'} ${issue.message}`);
}

/** A message's schema: `entries` by key; a key that is absent is reported as missing. */
export function message<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.ObjectSchema<Entries, v.ErrorMessage<v.ObjectIssue>> {
  // The object itself may be a field of another one.
  return v.object(entries, ({ expected }) => (expected === 'Object' ? 'is not an object' : 'is missing'));
}

/** A field that is a name ({@link isName}). */
export const nameField = v.custom<string>(isName, 'is not 1 to 64 of A-Z a-z 0-9 . _ -');

/** A field that is an address ({@link isAddress}). */
export const addressField = v.custom<string>(isAddress, 'is not ip:port, [ipv6]:port or unix');

/** A field that is an integer from `low` to `high`, both included. */
export function integerField(low: number, high: number): v.GenericSchema<unknown, number> {
  return v.custom<number>(
    (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
    `is not an integer from ${low} to ${high}`,
  );
}

/** A field that is text of the form `pattern`; `what` says so to people. */
export function patternField(pattern: RegExp, what: string): v.GenericSchema<unknown, string> {
  return v.custom<string>((value) => typeof value === 'string' && pattern.test(value), `is not ${what}`);
}

/** @throws ProtocolError if a payload that came from the peer has another length, bytes */
export function expectLength(frame: string, payload: Uint8Array, length: number): void {
  if (payload.length !== length) {
    throw new ProtocolError(`${frame}: the payload has ${payload.length} bytes, not ${length}`);
  }
}

/** @throws RangeError if bytes made on this side have another length: a bug of the caller */
export function requireLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`the ${what} has ${bytes.length} bytes, not ${length}`);
}
