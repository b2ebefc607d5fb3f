/** A way through an HTTP proxy: CONNECT (RFC 9110, 9.3.6), over TCP or TLS. */
import { request as requestPlain, STATUS_CODES } from 'node:http';
import { request as requestSecure, type RequestOptions } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { DialError } from '../shared/errors.ts';
import { formatAddress, type HostAddress } from '../shared/net/address.ts';
import { SOCKET_OPTIONS } from '../shared/net/socket-options.ts';
import { networkFault, proxyFault } from './proxy-fault.ts';
import type { ProxyServer } from './proxy-url.ts';

/**
 * What to call for each connection; its promise rejects with a DialError. An https proxy must show a certificate of its
 * name from an authority that Node trusts.
 */
export function askHttpProxy(proxy: ProxyServer, to: HostAddress): (signal: AbortSignal) => Promise<Socket> {
  const options = requestFor(proxy, to);
  const request = proxy.scheme === 'https:' ? requestSecure : requestPlain;
  return (signal) =>
    new Promise((resolve, reject) => {
      const asked = request({ ...options, signal });
      asked.on('error', (error) => reject(faultOf(error, proxy)));
      asked.once('connect', (answer, socket, head) => {
        const status = answer.statusCode ?? 0;
        if (status < 200 || status > 299) {
          socket.destroy();
          return reject(proxyFault(proxy, problemOf(status, proxy, to), { refused: wantsCredentials(status) }));
        }
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      asked.end();
    });
}

/** node:https hands the context on to node:tls; its type does not say so. */
type ProxyRequest = RequestOptions & { readonly secureContext?: SecureContext };

function requestFor({ scheme, address, credentials }: ProxyServer, to: HostAddress): ProxyRequest {
  const authority = formatAddress(to);
  const headers: Record<string, string> = { host: authority };
  if (credentials !== undefined) {
    const { user, password } = credentials;
    headers['proxy-authorization'] = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }
  const plain = { ...address, ...SOCKET_OPTIONS, agent: false, method: 'CONNECT', path: authority, headers };
  if (scheme === 'http:') return plain;
  // Without a name of its own, node:https would verify the one in the Host header: the server's. None for an IP address.
  const servername = isIP(address.host) === 0 ? address.host : '';
  return { ...plain, servername, secureContext: createSecureContext() };
}

function faultOf(cause: Error, proxy: ProxyServer): DialError {
  // A parser's error holds what the proxy has sent, which may be what we sent: the password.
  if ('rawPacket' in cause) {
    return proxyFault(proxy, `does not speak HTTP (${cause.message}); check the scheme and port of its URL`);
  }
  return networkFault(proxy, cause);
}

/** tinyproxy answers 401 to a wrong password. */
function wantsCredentials(status: number): boolean {
  return status === 407 || status === 401;
}

/** What an answer means that is no success. Its text is the proxy's, and not repeated. */
function problemOf(status: number, { credentials }: ProxyServer, to: HostAddress): string {
  const answers = `answers ${status} (${STATUS_CODES[status] ?? 'no standard status'})`;
  const server = formatAddress(to);
  if (wantsCredentials(status)) {
    return credentials === undefined
      ? `${answers}: give it a user and a password in its URL, http://user:password@host:port`
      : `${answers}: it does not take the user and password in its URL, which are sent as Basic; check both`;
  }
  if (status >= 500) return `${answers}: it cannot reach ${server}; check that address, and that the server runs`;
  return `${answers}: it lets nobody through to ${server}; ask whoever runs it, or let the server listen on port 443`;
}
