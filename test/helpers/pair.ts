/** A whole tunnel in one line: pools, listeners and relays, over real TCP and TLS on loopback. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { TunnelClient, type TunnelClientOptions } from '../../src/client/tunnel-client.ts';
import type { ClientPoolOptions } from '../../src/client/client-pool-options.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { ServerPoolOptions } from '../../src/server/server-pool-options.ts';
import { TunnelServer, type TunnelServerOptions } from '../../src/server/tunnel-server.ts';
import type { ClientTlsOptions, ServerTlsOptions, TlsMode } from '../../src/shared/tls/modes.ts';
import { testCertificates } from './certificates.ts';

export const TOKEN = 'a token that is long enough';

export interface PairOptions {
  readonly tls?: TlsMode;
  /** Which way visitors go. Default reverse: in at the server, out at the client. */
  readonly flow?: 'reverse' | 'forward';
  /** The target's port. */
  readonly target: number;
  readonly server?: Partial<ServerPoolOptions<true>>;
  readonly client?: Partial<ClientPoolOptions<true>>;
  readonly tunnelServer?: Partial<TunnelServerOptions>;
  readonly tunnelClient?: Partial<TunnelClientOptions>;
  /** Wait until so many connections are idle at the server. Default: the client's minimum. */
  readonly warm?: number;
}

export interface Pair extends AsyncDisposable {
  readonly server: TunnelServer;
  readonly client: TunnelClient;
  /** A visitor's connection; half-open, so that it decides when it ends. */
  visit(): Socket;
}

/** The TLS options of both sides for a mode, with real certificates for mode 2. */
export async function tlsOptions(mode: TlsMode): Promise<{ server: ServerTlsOptions; client: ClientTlsOptions }> {
  if (mode !== 2) return { server: { mode }, client: { mode } };
  const { authority, localhost } = await testCertificates();
  return { server: { mode, ...localhost }, client: { mode, ca: authority.cert, hostname: 'localhost' } };
}

export async function startPair(options: PairOptions): Promise<Pair> {
  const tls = await tlsOptions(options.tls ?? 0);
  const forward = options.flow === 'forward';
  const entrance = '127.0.0.1:0';
  const exit = { host: '127.0.0.1', port: options.target };
  const opener = forward ? 'client' : 'server';
  const server = new TunnelServer({
    pool: new ServerPool({ listen: '127.0.0.1:0', tls: tls.server, token: TOKEN, opener, ...options.server }),
    ...(forward ? { target: exit } : { public: entrance }),
    ...options.tunnelServer,
  });
  await server.start();
  const dial = server.pool.address;
  if (dial === undefined) throw new Error('the server does not listen');
  const client = new TunnelClient({
    pool: { dial, tls: tls.client, token: TOKEN, ...options.client },
    ...(forward ? { local: entrance } : { target: exit }),
    ...options.tunnelClient,
  });
  await client.start();
  const warm = options.warm ?? options.client?.minCapacity ?? 8;
  await Promise.all([client.pool.warmed(warm), server.pool.warmed(warm)]);
  return {
    server,
    client,
    visit: () => {
      const { host = '', port = 0 } = server.address ?? client.address ?? {};
      return connect({ host, port, allowHalfOpen: true, noDelay: true });
    },
    async [Symbol.asyncDispose]() {
      client.pool.destroy();
      server.pool.destroy();
      await Promise.all([client.close({ graceMs: 0 }), server.close({ graceMs: 0 })]);
    },
  };
}

/** Sends `message`, ends, and returns everything that comes back. */
export async function ask(socket: Socket, message: string): Promise<string> {
  socket.end(message);
  return await readAll(socket);
}

/** Everything until the other side ends. Leaves the other direction alone, which async iteration would destroy. */
export async function readAll(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await once(socket, 'end');
  return String(Buffer.concat(pieces));
}
