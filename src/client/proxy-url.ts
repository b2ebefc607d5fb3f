/** A proxy's URL as an option. */
import { InvalidOptionError } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { addressOption } from '../shared/net/address-option.ts';

/** The ports of proxies whose URL names none: those of the schemes, and the one registered for SOCKS. */
const DEFAULT_PORTS = { 'http:': 80, 'https:': 443, 'socks5:': 1080, 'socks5h:': 1080 } as const;

type ProxyScheme = keyof typeof DEFAULT_PORTS;

/** What a SOCKS5 user and password may take, bytes (RFC 1929, 2). */
const MAX_SOCKS_BYTES = 255;

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** A proxy, as its URL describes it. */
export interface ProxyServer {
  readonly scheme: ProxyScheme;
  readonly address: HostAddress;
  readonly credentials: Credentials | undefined;
}

/**
 * Reads `http://user:password@host:port`, `https://…`, `socks5://…` or `socks5h://…`. No error shows more of it than host
 * and port.
 *
 * @throws InvalidOptionError naming the option
 */
export function proxyOption(option: string, text: string): ProxyServer {
  // Not the error of `new URL`, which holds the whole text.
  if (!/^(?:https?|socks5h?):\/\//i.test(text) || !URL.canParse(text)) {
    const wanted = 'wants http://host:port, https://host:port, socks5://host:port or socks5h://host:port';
    throw new InvalidOptionError(
      option,
      `${wanted}, with user:password@ before the host where the proxy asks for them`,
    );
  }
  const url = new URL(text);
  const scheme = url.protocol as ProxyScheme;
  // Before the host: what stands here may be the rest of a password.
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    throw new InvalidOptionError(
      option,
      'wants nothing behind host and port; in a user or password write / as %2F, ? as %3F and # as %23',
    );
  }
  const address = addressOption(option, `${url.hostname}:${url.port || DEFAULT_PORTS[scheme]}`) as HostAddress;
  const credentials = { user: decode(option, url.username), password: decode(option, url.password) };
  if (credentials.user === '' && credentials.password === '') return { scheme, address, credentials: undefined };
  checkCredentials(option, scheme, credentials);
  return { scheme, address, credentials };
}

function decode(option: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new InvalidOptionError(option, 'a % in its user or password begins no character; write it as %25');
  }
}

function checkCredentials(option: string, scheme: ProxyScheme, { user, password }: Credentials): void {
  if (scheme === 'http:' || scheme === 'https:') {
    // RFC 7617, 2: the first colon ends the user.
    if (user.includes(':')) throw new InvalidOptionError(option, 'its user may have no colon');
  } else if (user === '' || [user, password].some((part) => Buffer.byteLength(part) > MAX_SOCKS_BYTES)) {
    throw new InvalidOptionError(option, `its user and password may have 1 to ${MAX_SOCKS_BYTES} bytes each`);
  }
}
