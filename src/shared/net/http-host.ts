/**
 * The host in an HTTP/1 request: that of its target where the target has one, else that of its Host header (RFC 9112,
 * 3.2 and 3.3). What servers read in different ways is called unclear, so that nobody is sent to one service with a
 * request that another answers. Pure; each look takes time that grows with the bytes and no faster.
 */
import { hostFrom, type HostRead } from './host-read.ts';

/** A request line begins with a method, which has upper-case letters alone in all that are registered. */
const METHOD = /^[A-Z][A-Z-]{0,31}(?: |$)/;

/** The longest method and its space, bytes. */
const METHOD_BYTES = 33;

const REQUEST_LINE = /^[A-Z-]+ (\S+) HTTP\/1\.\d$/;

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** `host:port`, `[ip]:port`, or without the port. */
const AUTHORITY = /^(?:\[([^[\]]+)\]|([^:[\]]+))(?::\d*)?$/;

const HOST = /^host[ \t]*:/i;

/** What some take for the end of a line, or of a text, and a first field that some read past (RFC 9112, 2.2; RFC 9110, 5.5). */
const HIDDEN = /^[ \t]|\r(?!\n|$)|\0/;

const NONE: HostRead = { host: undefined, protocol: 'http', unclear: false };
const UNCLEAR: HostRead = { host: undefined, protocol: 'http', unclear: true };
const NOT_HTTP: HostRead = { host: undefined, protocol: 'other', unclear: false };

/**
 * @param bytes all that has come so far
 * @param isFull whether no more of it is looked at
 * @returns undefined while more bytes may name it: all Host headers are to be seen
 */
export function readRequestHost(bytes: Buffer, isFull: boolean): HostRead | undefined {
  if (!METHOD.test(bytes.toString('latin1', 0, METHOD_BYTES))) return NOT_HTTP;
  const lineEnd = bytes.indexOf('\n');
  if (lineEnd === -1) return isFull ? NOT_HTTP : undefined;
  // Also what begins HTTP/2: its hosts come later, one in each request.
  const line = REQUEST_LINE.exec(bytes.toString('latin1', 0, lineEnd).replace(/\r$/, ''));
  if (line === null) return NOT_HTTP;
  const end = headEnd(bytes, lineEnd) ?? (isFull ? bytes.lastIndexOf('\n') : undefined);
  if (end === undefined) return undefined;
  const fields = end > lineEnd ? bytes.toString('latin1', lineEnd + 1, end) : '';
  if (HIDDEN.test(fields)) return UNCLEAR;
  return judge(line[0].startsWith('CONNECT '), line[1] ?? '', fields.split('\n'));
}

/** Where the last line of the head ends. A line may end without CR (RFC 9112, 2.2). */
function headEnd(bytes: Buffer, from: number): number | undefined {
  const ends = [bytes.indexOf('\n\r\n', from), bytes.indexOf('\n\n', from)].filter((at) => at !== -1);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

function judge(isConnect: boolean, target: string, fields: readonly string[]): HostRead {
  const given: string[] = [];
  for (const [index, field] of fields.entries()) {
    if (!HOST.test(field)) continue;
    const colon = field.indexOf(':');
    // A space in front of the colon, or a value that goes on in the next line: some take it, some do not.
    if (colon !== 'host'.length || /^[ \t]/.test(fields[index + 1] ?? '')) return UNCLEAR;
    given.push(field.slice(colon + 1).trim());
  }
  if (given.length > 1) return UNCLEAR;
  const inTarget = isConnect ? target : ABSOLUTE.exec(target)?.[1];
  const named = [inTarget, given[0]].filter((authority) => authority !== undefined && authority !== '');
  const hosts = named.map((authority) => hostOf(authority as string));
  const [host] = hosts;
  if (hosts.includes(undefined) || hosts.some((other) => other !== host)) return UNCLEAR;
  return host === undefined ? NONE : { host, protocol: 'http', unclear: false };
}

/** `Example.org:8080` → `example.org`; undefined for what names no host. */
function hostOf(authority: string): string | undefined {
  const [, bracketed, plain = bracketed] = AUTHORITY.exec(authority) ?? [];
  return plain === undefined ? undefined : hostFrom(plain);
}
