/** Who may ask what of the admin address: judged by a request's headers alone. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { normaliseIp } from '../../shared/net/address.ts';

export interface GuardRules {
  /** Names by which browsers may call, besides localhost and the address itself. */
  readonly hosts: readonly string[];
  /** One of them must be shown, where there are any. */
  readonly tokens: readonly string[];
}

export interface Asked {
  readonly method: string | undefined;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The address that the request came in by. */
  readonly localAddress: string | undefined;
}

/** Why a request is turned away. */
export interface Refusal {
  readonly status: 401 | 403 | 405;
  readonly says: string;
}

/** What anybody may see who reaches the address: that it is there, and a page without numbers. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/', '/healthz']);

/** What a browser may be led to by a link on a foreign page. */
const PAGE = '/';

/** What is asked for by its own method. */
const POST_PATHS: ReadonlySet<string> = new Set(['/reload']);

/** Turns away what is not for this address: undefined when the request may pass. */
export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #tokens: readonly Buffer[];

  constructor({ hosts, tokens }: GuardRules) {
    const always = ['localhost', '127.0.0.1', '::1'];
    this.#hosts = new Set([...always, ...hosts].map((host) => host.toLowerCase()));
    this.#tokens = tokens.map(digest);
  }

  refusalOf({ method = '', path, headers, localAddress }: Asked): Refusal | undefined {
    const { host = '' } = headers;
    if (!this.#knows(host, localAddress)) {
      return { status: 403, says: 'this name is not one of mine; --admin-host adds it' };
    }
    if (isForeign(headers, path, host)) return { status: 403, says: 'asked for by a page of another origin' };
    if (!(POST_PATHS.has(path) ? ['POST'] : ['GET', 'HEAD']).includes(method)) {
      return { status: 405, says: POST_PATHS.has(path) ? 'wants POST' : 'wants GET or HEAD' };
    }
    if (OPEN_PATHS.has(path) || this.#tokens.length === 0 || this.#isShown(headers.authorization)) return undefined;
    return { status: 401, says: 'wants the header "Authorization: Bearer TOKEN", see --admin-token-file' };
  }

  /** A name that somebody else may point at this machine (DNS rebinding) is none of ours. */
  #knows(host: string, localAddress: string | undefined): boolean {
    const name = nameOf(host);
    return this.#hosts.has(name) || (localAddress !== undefined && name === normaliseIp(localAddress));
  }

  #isShown(authorization = ''): boolean {
    const shown = digest(/^Bearer (.+)$/i.exec(authorization)?.[1] ?? '');
    return this.#tokens.some((token) => timingSafeEqual(token, shown));
  }
}

/** The host of a `Host` header, without port and brackets. */
function nameOf(host: string): string {
  return (/^\[(.+)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '')).toLowerCase();
}

/** Whether a page of another origin asks. Pages of other ports of this machine are foreign, too. */
function isForeign(headers: IncomingHttpHeaders, path: string, host: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host.toLowerCase())) return true;
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return path !== PAGE || headers['sec-fetch-mode'] !== 'navigate';
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
