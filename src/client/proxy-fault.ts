/** Errors of the way through a proxy. They name it by host and port, and never by what it takes to get in. */
import { DialError, type DialErrorOptions, reasonOf } from '../shared/errors.ts';
import { formatAddress } from '../shared/net/address.ts';
import type { ProxyServer } from './proxy-url.ts';

/** What a proxy has done. `problem` follows its host and port, and says what to do. */
export function proxyFault(proxy: ProxyServer, problem: string, options?: DialErrorOptions): DialError {
  return new DialError('connect', `the proxy ${formatAddress(proxy.address)} ${problem}`, options);
}

/** What the network has done on the way to it. */
export function networkFault(proxy: ProxyServer, cause: Error): DialError {
  const problem = `gives no connection to the server: ${reasonOf(cause)}; check its URL, and that it runs`;
  return proxyFault(proxy, problem, { cause });
}
