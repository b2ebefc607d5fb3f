/** A balancer in this process, before real HTTP servers. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { HttpBalancerOptions } from '../../src/balancer/balancer-options.ts';
import { HttpBalancer } from '../../src/balancer/http-balancer.ts';

export interface HttpTarget extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** Requests so far. */
  readonly requests: number;
  /** Ends it as a killed process ends: all connections reset, the port closed. */
  kill(): Promise<void>;
  /** Starts it again at the same port. */
  revive(): Promise<void>;
}

/** An HTTP server that says `name` if not told otherwise. */
export async function startHttp(serve: RequestListener | string): Promise<HttpTarget> {
  const sockets = new Set<Socket>();
  let requests = 0;
  const answer: RequestListener = typeof serve === 'string' ? (_, response) => response.end(serve) : serve;
  const server = createServer((request, response) => {
    requests += 1;
    answer(request, response);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const kill = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  return {
    port,
    server,
    sockets,
    get requests() {
      return requests;
    },
    kill,
    async revive() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** Starts a balancer; `port` is where clients connect. */
export async function startBalancer(
  targets: readonly { readonly port: number }[],
  options: Partial<HttpBalancerOptions> = {},
): Promise<HttpBalancer & { readonly port: number }> {
  const servers = targets.map(({ port }) => `127.0.0.1:${port}`);
  const balancer = new HttpBalancer({ listen: '127.0.0.1:0', servers, ...options });
  await balancer.start();
  const port = balancer.address?.port ?? 0;
  return Object.defineProperty(balancer, 'port', { value: port }) as HttpBalancer & { readonly port: number };
}
