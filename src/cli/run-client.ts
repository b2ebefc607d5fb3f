import type { TunnelClient } from '../client/tunnel-client.ts';
import { formatAddress } from '../shared/net/address.ts';
import type { Admin } from './admin/admin.ts';
import { keepFreedMemory } from './allocator.ts';
import { clientWays } from './client-tunnels.ts';
import { ExitCode } from './exit-codes.ts';
import { checkFree } from './free-address.ts';
import { GivingUp } from './giving-up.ts';
import { type Logger, makeLogger } from './logging.ts';
import type { ClientPlan } from './plan.ts';
import { tryable } from './plan-diff.ts';
import { checkLasting, lastingOf, onDemand, reloader } from './reload.ts';
import { RunningTunnels } from './running-tunnels.ts';
import { untilStopped } from './signals.ts';
import { serviceManager } from './systemd.ts';

/**
 * `poold client`: runs until it is told to end, or gives up.
 *
 * @param again reads the plan anew
 */
export async function runClient(first: ClientPlan, again: () => Promise<ClientPlan>, admin?: Admin): Promise<ExitCode> {
  keepFreedMemory();
  let plan = first;
  const log = await makeLogger(plan.settings, admin?.notes.hear);
  for (const warning of plan.warnings) log.warn(warning);
  const logOf = (tunnel: string) => (first.fromFile ? log.child({ tunnel }) : log);
  const givingUp = new GivingUp(plan.settings);
  const tunnels = new RunningTunnels(clientWays({ logOf, admin, givingUp }), log);
  const service = serviceManager(log);
  // What it may meanwhile hear is set up below, in the same turn.
  const started = (async () => {
    await admin?.start(log);
    await tunnels.start(plan.tunnels);
  })();
  const reload = reloader(
    async () => {
      const next = await again();
      checkLasting('client', lastingOf('client', plan.command), next.command);
      const change = tunnels.prepare(next.tunnels);
      try {
        await checkFree(tryable(change.diff));
      } catch (error) {
        tunnels.discard(change);
        throw error;
      }
      for (const warning of next.warnings) log.warn(warning);
      plan = next;
      return tunnels.commit(change, next.settings.gracePeriodMs);
    },
    log,
    { started },
  );
  if (admin !== undefined) admin.reload = onDemand(reload);
  // Heard from the first moment on: a service manager may change its mind during the start.
  const stopped = untilStopped({
    async stop(signal) {
      service.stopping();
      log.info({ signal, visits: tunnels.visits }, 'ending: no new visits');
      await tunnels.close(plan.settings.gracePeriodMs);
      log.info({ datagrams: tunnels.datagrams }, 'ended');
    },
    reload: () => void reload(),
  });
  try {
    await started;
  } catch (error) {
    tunnels.destroy();
    throw error;
  }
  const all = [...tunnels.tunnels].flatMap(([name, tunnel]) => sayDialling(tunnel, logOf(name)));
  // None: stopped while it started.
  if (all.length > 0) service.ready(`dialling ${[...new Set(all)].join(', ')}`);
  const code = await Promise.race([givingUp.code, stopped.then(() => ExitCode.clean)]);
  service.close();
  if (code !== ExitCode.clean) tunnels.destroy();
  return code;
}

/** Returns the servers that it dials. */
function sayDialling({ servers: { ready, entries }, address }: TunnelClient, log: Logger): string[] {
  if (!ready) return [];
  const servers = entries.map(({ server }) => server);
  log.info({ servers, local: address && formatAddress(address) }, 'dialling');
  return servers;
}
