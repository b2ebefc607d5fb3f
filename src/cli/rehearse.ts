/** Makes all that a plan names, and starts nothing: what is wrong with it shows without a port or a connection. */
import { PublishedTunnels } from '../server/published-tunnels.ts';
import { ServerListener } from '../server/server-listener.ts';
import { ServerPool } from '../server/server-pool.ts';
import { TunnelServer } from '../server/tunnel-server.ts';
import { TunnelClient } from '../client/tunnel-client.ts';
import { serverMaterial } from '../shared/tls/material.ts';
import { serverTlsSettings } from '../shared/tls/modes.ts';
import { explained, inWordsOf } from './option-errors.ts';
import type { ClientPlan, ServerPlan } from './plan.ts';

/** @throws ConfigError naming what is wrong */
export async function rehearseServer({ settings, command, tunnels }: ServerPlan): Promise<void> {
  const listener = explained(command, () => new ServerListener(settings.listener));
  const { publish } = settings;
  if (publish !== undefined) explained(command, () => new PublishedTunnels({ ...publish, listener }));
  const { tls = { mode: 1 } } = settings.listener;
  try {
    const material = await serverMaterial(tls);
    if (material !== undefined) serverTlsSettings(tls, material);
  } catch (error) {
    throw inWordsOf(command, error);
  }
  for (const { settings: one, command: its } of tunnels.values()) {
    explained(
      its,
      () => new TunnelServer({ ...one.tunnel, pool: new ServerPool({ ...one.pool, listener }) }),
    ).destroy();
  }
}

/** @throws ConfigError naming what is wrong */
export function rehearseClient({ tunnels }: ClientPlan): void {
  for (const { settings, command } of tunnels.values()) {
    const client = explained(command, () => new TunnelClient({ ...settings.tunnel, pool: settings.pool }));
    explained(command, () => client.servers.checkTls({}));
    client.destroy();
  }
}
