/** What a server does with its tunnels: how they are made at its listener, watched and changed. */
import type { Command } from 'commander';
import type { ServerListener } from '../server/server-listener.ts';
import { checkServerListenerOptions } from '../server/server-listener-options.ts';
import { ServerPool } from '../server/server-pool.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import { TunnelServer, type TunnelServerOptions } from '../server/tunnel-server.ts';
import { visitorRules } from '../shared/tunnel/visitor-rules.ts';
import type { Admin } from './admin/admin.ts';
import type { Logger } from './logging.ts';
import { explained, inWordsOf } from './option-errors.ts';
import type { ServerPlan } from './plan.ts';
import { logServer } from './pool-log.ts';
import type { PublicAddresses } from './public-addresses.ts';
import type { TunnelTraits } from './plan-diff.ts';
import type { TunnelWays } from './running-tunnels.ts';
import type { ServerSettings, ServerTunnel } from './settings.ts';

/** What a server's tunnels have in common. */
export interface ServerSetup {
  readonly listener: ServerListener;
  readonly addresses: PublicAddresses;
  /** The log of a tunnel. */
  readonly logOf: (tunnel: string) => Logger;
  readonly admin: Pick<Admin, 'watchServer'> | undefined;
  /** What one of several processes has besides. */
  readonly more?: (tunnel: string, settings: ServerTunnel) => MoreOptions;
}

/** Options beside those of the settings. */
interface MoreOptions {
  readonly pool: Partial<ServerPoolOptions<true>>;
  readonly tunnel: Partial<TunnelServerOptions>;
}

export const SERVER_TRAITS: TunnelTraits<ServerTunnel> = {
  lasting: ({ pool, tunnel, shares }) => {
    const renewed = { visitors: undefined, hosts: undefined, proxyFrom: undefined };
    return { pool, tunnel: { ...tunnel, ...renewed }, shares };
  },
  entranceOf: ({ tunnel }) =>
    tunnel.public === undefined ? undefined : { address: tunnel.public, protocol: tunnel.protocol ?? 'tcp' },
};

export function serverWays({
  listener,
  addresses,
  logOf,
  admin,
  more,
}: ServerSetup): TunnelWays<ServerTunnel, TunnelServer> {
  return {
    ...SERVER_TRAITS,
    make: (name, { settings, command }) => {
      const extra = more?.(name, settings);
      const { public: address } = settings.tunnel;
      return explained(command, () => {
        const pool = new ServerPool({ ...settings.pool, ...extra?.pool, listener });
        const options = { ...settings.tunnel, ...extra?.tunnel, pool };
        if (!settings.shares || address === undefined) return new TunnelServer(options);
        // The proxies in front, and who else listens there, are the address's.
        const { proxyFrom: _proxyFrom, reusePort = false, ...own } = options;
        return new TunnelServer({ ...own, public: addresses.at(address, reusePort) });
      });
    },
    settle: (plan, kept) => addresses.settle(plan, kept),
    check: (_server, { settings, command }) => {
      explained(command, () => visitorRules(settings.tunnel.visitors ?? {}));
    },
    renew: async (server, { tunnel }) => server.setVisitorRules(tunnel.visitors ?? {}),
    watch: (name, server) => {
      logServer(server, logOf(name));
      return admin?.watchServer(name, server) ?? (() => {});
    },
  };
}

/** @throws ConfigError for what {@link renewListener} must not be given */
export function checkListener({ settings, command }: ServerPlan): void {
  explained(command, () => checkServerListenerOptions(settings.listener, true));
}

/**
 * Takes what may change while a listener runs: certificate, authorities, tokens, allow list.
 *
 * @throws ConfigError for a certificate that is no good; then nothing has changed
 */
export async function renewListener(
  listener: ServerListener,
  { listener: { tls, token, allow } }: ServerSettings,
  command: Command,
): Promise<void> {
  const { mode, cert, key, clientCa } = tls ?? { mode: 1 };
  const stated = Object.entries({ cert, key, clientCa }).filter(([, part]) => part !== undefined);
  try {
    if (mode !== 0) await listener.setTls(Object.fromEntries(stated));
    await listener.setTokens(token);
    listener.setAllow(allow ?? []);
  } catch (error) {
    throw inWordsOf(command, error);
  }
}
