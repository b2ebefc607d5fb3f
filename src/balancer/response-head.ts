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
  /** Whether its body is in a coding that cannot be passed on: another one than chunks. */
  readonly isCoded: boolean;
}

/** Whether an answer ends behind its head, whatever its headers say (RFC 9112, 6.3). */
export function isBodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}

/** @param raw names and values, one after the other, as they came */
export function readResponseHead(raw: readonly Buffer[], status: number): ResponseHead {
  const headers: string[] = [];
  let named: string[] | undefined;
  let trailer: string | undefined;
  let hasLength = false;
  let isCoded = false;
  for (let at = 0; at < raw.length; at += 2) {
    const nameBytes = raw[at] as Buffer;
    const name = nameBytes.toString('latin1');
    const value = (raw[at + 1] as Buffer).toString('latin1');
    if (nameBytes.length === LENGTH_BYTES && name.toLowerCase() === 'content-length') {
      // These have none (RFC 9110, 8.6). A 304 has that of what is not sent.
      if (status < 200 || status === 204) continue;
      hasLength = true;
    }
    if (SUSPECT.has(nameBytes.length)) {
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
      if (lower === 'trailer') trailer = trailer === undefined ? value : `${trailer}, ${value}`;
      if (lower === 'transfer-encoding' && value.toLowerCase() !== 'chunked') isCoded = !isBodiless(status);
      if (HOP.has(lower)) continue;
    }
    headers.push(name, value);
  }
  if (named === undefined) return { headers, trailer, hasLength, isCoded };
  const dropped = new Set(named.filter((name) => name !== 'content-length'));
  const kept = headers.filter((_, at) => !dropped.has((headers[at - (at % 2)] as string).toLowerCase()));
  return { headers: kept, trailer, hasLength, isCoded };
}

/** The bytes of `content-length`. */
const LENGTH_BYTES = 14;
