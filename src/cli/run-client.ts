import { tunnelName } from '../client/client-pool-options.ts';
import { TunnelClient } from '../client/tunnel-client.ts';
import { formatAddress } from '../shared/net/address.ts';
import type { Admin } from './admin/admin.ts';
import { keepFreedMemory } from './allocator.ts';
import { ExitCode } from './exit-codes.ts';
import { makeLogger } from './logging.ts';
import { untilGivenUp } from './giving-up.ts';
import { logClient } from './pool-log.ts';
import { type Again, onDemand, reloader, renewClient } from './reload.ts';
import type { ClientSettings } from './settings.ts';
import { untilStopped } from './signals.ts';
import { serviceManager } from './systemd.ts';

/** `poold client`: runs until it is told to end, or gives up. */
export async function runClient(
  settings: ClientSettings,
  again: Again<ClientSettings>,
  admin?: Admin,
): Promise<ExitCode> {
  keepFreedMemory();
  const client = new TunnelClient({ pool: settings.pool, ...settings.tunnel });
  const log = await makeLogger(settings, admin?.notes.hear);
  for (const warning of settings.warnings) log.warn(warning);
  logClient(client, log);
  admin?.watchClient(tunnelName(settings.pool), client);
  const givenUp = untilGivenUp(client.servers, settings, log);
  const service = serviceManager(log);
  const reload = reloader(again, (renewed) => renewClient(client, renewed), log);
  if (admin !== undefined) admin.reload = onDemand(reload);
  // Heard from the first moment on: a service manager may change its mind during the start.
  const stopped = untilStopped({
    async stop(signal) {
      service.stopping();
      log.info({ signal, visits: client.visits }, 'ending: no new visits');
      await client.close({ graceMs: settings.gracePeriodMs });
      log.info({ datagrams: client.datagramStats() }, 'ended');
    },
    reload: () => void reload(),
  });
  await admin?.start(log);
  await client.start();
  // Not ready: stopped while it started.
  if (client.servers.ready) {
    const servers = client.servers.entries.map(({ server }) => server);
    log.info({ servers, local: client.address && formatAddress(client.address) }, 'dialling');
    service.ready(`dialling ${servers.join(', ')}`);
  }
  const code = await Promise.race([givenUp, stopped.then(() => ExitCode.clean)]);
  service.close();
  if (code !== ExitCode.clean) client.servers.destroy();
  return code;
}
