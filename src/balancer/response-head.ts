/** What of an answer's head goes on to the client: all but what is meant for this hop alone (RFC 9110, 7.6.1). Pure. */

/** Lengths of the names that may be dropped: most headers are let through by their length alone. */
const SUSPECT: ReadonlySet<number> = new Set([2, 7, 10, 16, 17]);

const HOP: ReadonlySet<string> = new Set([
  'te',
  'trailer',
  'upgrade',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
]);

export interface ResponseHead {
  /** Names and values, one after the other. */
  readonly headers: string[];
  /** The trailers that are announced; said again only where they can follow. */
  readonly trailer: string | undefined;
  /** Whether its length is said in front. */
  readonly hasLength: boolean;
  /** Whether its body, if it has one, ends with the connection. */
  readonly isOpenEnded: boolean;
  /** How long the server keeps the connection, in its words. */
  readonly keepAlive: string | undefined;
  /** Whether its body is in a coding that cannot be passed on: another one than chunks. */
  readonly isCoded: boolean;
}

/** Whether an answer ends behind its head, whatever its headers say (RFC 9112, 6.3). */
export function isBodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}

/** @param raw names and values, one after the other, as they came */
export function readResponseHead(raw: readonly string[], status: number): ResponseHead {
  const headers: string[] = [];
  let named: string[] | undefined;
  let trailer: string | undefined;
  let keepAlive: string | undefined;
  let hasLength = false;
  let isCoded = false;
  let isChunked = false;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string;
    const value = raw[at + 1] as string;
    if (name.length === LENGTH_CHARACTERS && name.toLowerCase() === 'content-length') {
      // These have none (RFC 9110, 8.6). A 304 has that of what is not sent.
      if (status < 200 || status === 204) continue;
      hasLength = true;
    }
    if (SUSPECT.has(name.length)) {
      const lower = name.toLowerCase();
      if (lower === 'connection' && !/^(?:keep-alive|close)$/i.test(value)) {
        named = [
          ...(named ?? []),
          ...value
            .toLowerCase()
            .split(',')
            .map((one) => one.trim()),
        ];
      }
      if (lower === 'keep-alive') keepAlive = value;
      if (lower === 'trailer') trailer = trailer === undefined ? value : `${trailer}, ${value}`;
      if (lower === 'transfer-encoding') {
        isChunked = true;
        if (value.toLowerCase() !== 'chunked') isCoded = !isBodiless(status);
      }
      if (HOP.has(lower)) continue;
    }
    headers.push(name, value);
  }
  const body = { hasLength, isOpenEnded: !hasLength && !isChunked, isCoded };
  if (named === undefined) return { headers, trailer, keepAlive, ...body };
  const dropped = new Set(named.filter((name) => name !== 'content-length'));
  const kept = headers.filter((_, at) => !dropped.has((headers[at - (at % 2)] as string).toLowerCase()));
  return { headers: kept, trailer, keepAlive, ...body };
}

/** Of `content-length`. */
const LENGTH_CHARACTERS = 14;
