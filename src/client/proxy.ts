import type { HostAddress } from '../shared/net/address.ts';
import { tuneSocket } from '../shared/net/socket-options.ts';
import type { Connect } from './dial.ts';
import { askHttpProxy } from './http-proxy.ts';
import type { ProxyServer } from './proxy-url.ts';
import { askSocksProxy } from './socks-proxy.ts';

/**
 * How to reach the server `to` through a proxy. What comes out is a socket like that of a direct dial, with nothing read
 * from it that the server has sent. It rejects with a DialError that names the proxy.
 *
 * @param keepAliveMs TCP keep-alive towards the proxy, ms; 0 off
 */
export function connectThrough(proxy: ProxyServer, to: HostAddress, keepAliveMs: number): Connect {
  const ask = proxy.scheme.startsWith('socks') ? askSocksProxy(proxy, to) : askHttpProxy(proxy, to);
  return async ({ signal }) => {
    const socket = await ask(signal);
    tuneSocket(socket, keepAliveMs);
    return socket;
  };
}
