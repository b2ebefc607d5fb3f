import { PublishedTunnels } from '../server/published-tunnels.ts';
import { ServerPool } from '../server/server-pool.ts';
import { TunnelServer } from '../server/tunnel-server.ts';
import { formatAddress } from '../shared/net/address.ts';
import type { Admin } from './admin/admin.ts';
import { keepFreedMemory } from './allocator.ts';
import { ExitCode } from './exit-codes.ts';
import { makeLogger } from './logging.ts';
import { logServer } from './pool-log.ts';
import { logPublished } from './publish-log.ts';
import { type Again, onDemand, reloader, renewServer } from './reload.ts';
import type { ServerSettings } from './settings.ts';
import { untilStopped } from './signals.ts';
import { serviceManager } from './systemd.ts';

/** `poold server`: runs until it is told to end. */
export async function runServer(
  settings: ServerSettings,
  again: Again<ServerSettings>,
  admin?: Admin,
): Promise<ExitCode> {
  keepFreedMemory();
  const server = new TunnelServer({ pool: new ServerPool(settings.pool), ...settings.tunnel });
  const { publish } = settings;
  const published = publish && new PublishedTunnels({ ...publish, listener: server.pool.listener });
  const log = await makeLogger(settings, admin?.notes.hear);
  for (const warning of settings.warnings) log.warn(warning);
  logServer(server, log);
  if (published !== undefined) logPublished(published, log);
  admin?.watchServer(server.pool.tunnel, server);
  const service = serviceManager(log);
  const renew = async (renewed: ServerSettings): Promise<void> => {
    await renewServer(server, renewed);
    published?.setVisitorRules(renewed.tunnel.visitors ?? {});
  };
  const reload = reloader(again, renew, log);
  if (admin !== undefined) admin.reload = onDemand(reload);
  // Heard from the first moment on: a service manager may change its mind during the start.
  const stopped = untilStopped({
    async stop(signal) {
      service.stopping();
      log.info({ signal, visits: server.visits }, 'ending: no new visitors');
      const grace = { graceMs: settings.gracePeriodMs };
      await Promise.all([server.close(grace), published?.close(grace)]);
      log.info({ datagrams: server.datagramStats() }, 'ended');
    },
    reload: () => void reload(),
  });
  await admin?.start(log);
  await server.start();
  const { address: listen, fingerprint } = server.pool;
  const { address: visitors } = server;
  // Not there when it was stopped while it started.
  if (listen !== undefined) {
    const addresses = { listen: formatAddress(listen), public: visitors && formatAddress(visitors) };
    log.info({ ...addresses, tls: settings.pool.tls?.mode, fingerprint }, 'listening');
    service.ready(`listening on ${addresses.listen}`);
  }
  await stopped;
  service.close();
  return ExitCode.clean;
}
