/** A server that opens ports for its clients, and clients that ask for some: real TCP on loopback. */
import { connect, type Socket } from 'node:net';
import { TunnelClient, type TunnelClientOptions } from '../../src/client/tunnel-client.ts';
import type { PublishOption } from '../../src/client/client-pool-options.ts';
import type { PublishOptions } from '../../src/server/publish-options.ts';
import { PublishedTunnels } from '../../src/server/published-tunnels.ts';
import { ServerListener } from '../../src/server/server-listener.ts';
import type { ServerListenerOptions } from '../../src/server/server-listener-options.ts';
import type { RejectedError } from '../../src/shared/errors.ts';
import type { DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { nextEvent } from './events.ts';
import { TOKEN } from './pair.ts';

/** Where `freePort` finds its ports. */
export const PORTS = '10000-29999';

export interface Publishing extends AsyncDisposable {
  readonly listener: ServerListener;
  readonly tunnels: PublishedTunnels;
  /** What was opened and closed, in order: `+name` and `-name`. */
  readonly told: readonly string[];
  /** A client of two connections that publishes a port; not started. */
  client(publish: number | PublishOption | undefined, target: number, options?: ClientOptions): TunnelClient;
}

interface ClientOptions extends Partial<Omit<TunnelClientOptions, 'pool'>> {
  readonly tunnel?: string;
  readonly token?: string;
  readonly dial?: string;
}

export async function startPublishing(
  options: Partial<PublishOptions> & { readonly token?: ServerListenerOptions['token'] } = {},
): Promise<Publishing> {
  const { token = TOKEN, ...given } = options;
  const listener = new ServerListener({ listen: '127.0.0.1:0', token, tls: { mode: 0 } });
  const tunnels = new PublishedTunnels({ listener, ports: [PORTS], host: '127.0.0.1', ...given });
  const told: string[] = [];
  tunnels.on('published', ({ tunnel }) => told.push(`+${tunnel}`));
  tunnels.on('unpublished', ({ tunnel }) => told.push(`-${tunnel}`));
  await listener.start();
  const clients: TunnelClient[] = [];
  return {
    listener,
    tunnels,
    told,
    client(publish, target, { tunnel, token: proved = TOKEN, dial = listener.address ?? '', ...rest } = {}) {
      const names = { ...(publish === undefined ? {} : { publish }), ...(tunnel === undefined ? {} : { tunnel }) };
      const pool = { dial, tls: { mode: 0 } as const, token: proved, minCapacity: 2, ...names };
      const client = new TunnelClient({ pool, target: { host: '127.0.0.1', port: target }, ...rest });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const { servers } of clients) servers.destroy();
      await Promise.all(clients.map((client) => client.close({ graceMs: 0 })));
      await tunnels.close({ graceMs: 0 });
      await listener.close();
    },
  };
}

/** Starts a client and waits until it is connected. */
export async function startClient(client: TunnelClient): Promise<TunnelClient> {
  await client.start();
  await client.pool.warmed(1);
  return client;
}

/** Starts a client that is turned away, and ends it; resolves with why. */
export async function refusalOf(client: TunnelClient): Promise<RejectedError> {
  const failed = nextEvent<DialFailedEvent>(client.pool, 'dialFailed');
  await client.start();
  const { error } = await failed;
  client.servers.destroy();
  return error as RejectedError;
}

/** A visitor's connection to a public port; half-open. */
export function visit(port: number): Socket {
  return connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
}
