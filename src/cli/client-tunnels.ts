/** What a client does with its tunnels: how they are made, watched and changed. */
import { TunnelClient } from '../client/tunnel-client.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { visitorRules } from '../shared/tunnel/visitor-rules.ts';
import type { Admin } from './admin/admin.ts';
import type { GivingUp } from './giving-up.ts';
import type { Logger } from './logging.ts';
import { explained } from './option-errors.ts';
import { logClient } from './pool-log.ts';
import type { TunnelTraits } from './plan-diff.ts';
import type { TunnelWays } from './running-tunnels.ts';
import type { ClientTunnel } from './settings.ts';

/** What a client's tunnels have in common. */
export interface ClientSetup {
  /** The log of a tunnel. */
  readonly logOf: (tunnel: string) => Logger;
  readonly admin: Pick<Admin, 'watchClient'> | undefined;
  readonly givingUp: GivingUp;
}

const CLIENT_TRAITS: TunnelTraits<ClientTunnel> = {
  lasting: ({ pool: { token, tls, ...pool }, tunnel }) => {
    const { ca, cert, key, ...fixed } = tls ?? { mode: 1 };
    // They may be replaced, but neither come nor go.
    const given = [token, ca, cert, key].map((part) => part !== undefined);
    return { pool, tunnel: { ...tunnel, visitors: undefined }, tls: fixed, given };
  },
  entranceOf: ({ tunnel }) =>
    tunnel.local === undefined
      ? undefined
      : { address: tunnel.local as HostAddress, protocol: tunnel.protocol ?? 'tcp' },
};

export function clientWays({ logOf, admin, givingUp }: ClientSetup): TunnelWays<ClientTunnel, TunnelClient> {
  return {
    ...CLIENT_TRAITS,
    make: (_name, { settings: { pool, tunnel }, command }) =>
      explained(command, () => new TunnelClient({ ...tunnel, pool })),
    check: (client, { settings: { pool, tunnel }, command }) =>
      explained(command, () => {
        visitorRules(tunnel.visitors ?? {});
        if (pool.token !== undefined) client.servers.checkToken(pool.token);
        if (pool.tls?.mode !== 0) client.servers.checkTls(renewable(pool.tls));
      }),
    renew: async (client, { pool, tunnel }) => {
      if (pool.tls?.mode !== 0) client.servers.setTls(renewable(pool.tls));
      if (pool.token !== undefined) await client.servers.setToken(pool.token);
      client.setVisitorRules(tunnel.visitors ?? {});
    },
    settle: () => {},
    watch: (name, client) => {
      const log = logOf(name);
      logClient(client, log);
      const unwatch = admin?.watchClient(name, client);
      const left = givingUp.watch(client.servers, log);
      return () => {
        unwatch?.();
        left();
      };
    },
  };
}

/** The parts of a client's TLS that may change while it runs. */
function renewable(tls: ClientTunnel['pool']['tls']) {
  const { ca, cert, key } = tls ?? { mode: 1 };
  return Object.fromEntries(Object.entries({ ca, cert, key }).filter(([, part]) => part !== undefined));
}
