/**
 * What of a request's head goes on to a server. Node's parser has refused what is no HTTP/1.1; here is refused what two
 * servers may read in two ways, and left out what is meant for the next hop alone (RFC 9110, 7.6.1). Pure.
 */
import type { IncomingMessage } from 'node:http';

/** A request's head as a server gets it. */
export interface RequestHead {
  readonly path: string;
  /** Names and values, one after the other. */
  readonly headers: string[];
  readonly hasBody: boolean;
  /** As it was said; undefined for a body in chunks. */
  readonly bodyBytes: number | undefined;
  /** Whether its length was said, be it none. */
  readonly hasLength: boolean;
  readonly hasHost: boolean;
  /** The protocol that the client would like to go on with. */
  readonly upgrade: string | undefined;
}

/** Why a request goes nowhere. */
export interface HeadRefusal {
  readonly status: 400 | 417 | 501;
  readonly says: string;
}

/** Who asks. */
export interface Asker {
  /** Its address; undefined when it has left, or on a unix socket. */
  readonly ip: string | undefined;
  /** Whether what it says of those behind it is believed. */
  readonly isTrusted: boolean;
}

type HeadSource = Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'httpVersionMinor'>;

/** Headers that a proxy writes about who is behind it, also as servers that see CGI variables would read them. */
const FORWARDING = /^(?:forwarded$|x[-_]forwarded[-_]|x[-_]real[-_]ip$)/;

/** `http://host/path`, as clients write it to a proxy. */
const ABSOLUTE = /^http:\/\/([^/?#]+)(.*)$/i;

/** What a `Connection` header can name only to break the request. */
const KEPT: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type']);

const CONTROL = /^(?:keep-alive|close)$/i;

export function readHead(request: HeadSource, asker: Asker): RequestHead | HeadRefusal {
  const { rawHeaders, httpVersionMinor, method = '' } = request;
  const headers: string[] = [];
  const named: string[] = [];
  const forwarded: string[] = [];
  let host: string | undefined;
  let length: string | undefined;
  let isChunked = false;
  let upgrade: string | undefined;
  let proto: string | undefined;
  let forwardedHost: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    const value = rawHeaders[at + 1] as string;
    const lower = name.toLowerCase();
    switch (lower) {
      case 'host':
        if (host !== undefined) return bad('there are two Host headers');
        host = value;
        break;
      case 'connection':
        if (!CONTROL.test(value))
          named.push(
            ...value
              .toLowerCase()
              .split(',')
              .map((one) => one.trim()),
          );
        break;
      case 'content-length':
        if (length !== undefined) return bad('there are two Content-Length headers');
        if (!/^\d{1,15}$/.test(value)) return bad('Content-Length is no number');
        length = value;
        headers.push(name, value);
        break;
      case 'transfer-encoding':
        if (isChunked || value.toLowerCase() !== 'chunked') {
          return { status: 501, says: 'the only Transfer-Encoding that is understood is chunked, once' };
        }
        isChunked = true;
        break;
      case 'upgrade':
        upgrade = value;
        break;
      case 'expect':
        // What is asked for has been seen to.
        if (value.toLowerCase() === '100-continue') break;
        return { status: 417, says: 'the only Expect that is understood is 100-continue' };
      // For this hop alone; trailers of a request end here, too.
      case 'keep-alive':
      case 'proxy-connection':
      case 'te':
      case 'trailer':
        break;
      default: {
        const first = lower.codePointAt(0);
        const isForwarding = (first === LETTER_X || first === LETTER_F) && FORWARDING.test(lower);
        if (!isForwarding) headers.push(name, value);
        else if (!asker.isTrusted) break;
        else if (lower === 'x-forwarded-for') forwarded.push(value);
        else if (lower === 'x-forwarded-proto') proto ??= value;
        else if (lower === 'x-forwarded-host') forwardedHost ??= value;
        else headers.push(name, value);
      }
    }
  }
  if (isChunked && length !== undefined) return bad('both Content-Length and Transfer-Encoding are given');
  if (isChunked && httpVersionMinor === 0) return bad('HTTP/1.0 has no Transfer-Encoding');
  if (host === undefined && httpVersionMinor > 0) return bad('there is no Host header');
  const target = readTarget(method, request.url ?? '', host);
  if (typeof target !== 'string') return target;
  const kept = named.length === 0 ? headers : withoutNamed(headers, named);
  if (host !== undefined) kept.push('Host', host, 'X-Forwarded-Host', forwardedHost ?? host);
  if (asker.ip !== undefined) kept.push('X-Forwarded-For', [...forwarded, asker.ip].join(', '));
  kept.push('X-Forwarded-Proto', proto ?? 'http');
  const bodyBytes = isChunked ? undefined : Number(length ?? 0);
  // What a Connection header does not name was not meant for us (RFC 9110, 7.8).
  const wanted = named.includes('upgrade') ? upgrade : undefined;
  const said = { hasLength: length !== undefined, hasHost: host !== undefined };
  return { path: target, headers: kept, hasBody: bodyBytes !== 0, bodyBytes, ...said, upgrade: wanted };
}

/** What of a request is known when it is sent. */
export interface SentFacts {
  readonly method: string;
  /** For a client of HTTP/1.0 that has named none. */
  readonly host: string;
  /** The length of a body that is whole; undefined for one that is still to come. */
  readonly bodyBytes: number | undefined;
  readonly upgrade: string | undefined;
}

/** Methods that need no length where they have no body. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** The headers as they are sent: with those that say how the body comes, and how the connection goes on if not as usual. */
export function sentHeaders(
  { headers, hasLength, hasHost }: RequestHead,
  { method, host, bodyBytes, upgrade }: SentFacts,
): readonly string[] {
  const isLengthDue = !hasLength && bodyBytes !== undefined && (bodyBytes > 0 || !BODILESS.has(method));
  if (hasHost && upgrade === undefined && (hasLength || (bodyBytes !== undefined && !isLengthDue))) return headers;
  const sent = [...headers];
  if (!hasHost) sent.push('Host', host);
  if (isLengthDue) sent.push('Content-Length', String(bodyBytes));
  else if (!hasLength && bodyBytes === undefined) sent.push('Transfer-Encoding', 'chunked');
  if (upgrade !== undefined) sent.push('Connection', 'Upgrade', 'Upgrade', upgrade);
  return sent;
}

const LETTER_X = 120;
const LETTER_F = 102;

function bad(says: string): HeadRefusal {
  return { status: 400, says };
}

function withoutNamed(headers: readonly string[], named: readonly string[]): string[] {
  const dropped = new Set(named.filter((name) => !KEPT.has(name)));
  return headers.filter((_, at) => !dropped.has((headers[at - (at % 2)] as string).toLowerCase()));
}

/** The path of a target. One with a host must say the same as the Host header: servers differ in which of them counts. */
function readTarget(method: string, url: string, host: string | undefined): string | HeadRefusal {
  if (url.startsWith('/')) return url;
  const [, authority, rest = ''] = ABSOLUTE.exec(url) ?? [];
  if (authority === undefined) return bad(`a ${method} wants a path`);
  if (authority.toLowerCase() !== host?.toLowerCase()) return bad('the target and the Host header differ');
  return rest.startsWith('/') ? rest : `/${rest}`;
}
