import { PublishedTunnels } from '../server/published-tunnels.ts';
import { ServerListener } from '../server/server-listener.ts';
import { formatAddress } from '../shared/net/address.ts';
import type { Admin } from './admin/admin.ts';
import { keepFreedMemory } from './allocator.ts';
import { ExitCode } from './exit-codes.ts';
import { checkFree } from './free-address.ts';
import { makeLogger } from './logging.ts';
import { explained, inWordsOf } from './option-errors.ts';
import type { ServerPlan } from './plan.ts';
import { tryable } from './plan-diff.ts';
import { logListener } from './pool-log.ts';
import { PublicAddresses } from './public-addresses.ts';
import { checkNames, observePublished } from './published.ts';
import { checkLasting, lastingOf, onDemand, reloader } from './reload.ts';
import { RunningTunnels } from './running-tunnels.ts';
import { checkListener, renewListener, serverWays } from './server-tunnels.ts';
import { untilStopped } from './signals.ts';
import { serviceManager } from './systemd.ts';

/**
 * `poold server`: runs until it is told to end.
 *
 * @param again reads the plan anew
 */
export async function runServer(first: ServerPlan, again: () => Promise<ServerPlan>, admin?: Admin): Promise<ExitCode> {
  keepFreedMemory();
  let plan = first;
  const listener = explained(plan.command, () => new ServerListener(plan.settings.listener));
  const log = await makeLogger(plan.settings, admin?.notes.hear);
  for (const warning of plan.warnings) log.warn(warning);
  logListener(listener, log);
  const { publish } = plan.settings;
  const published = publish && explained(plan.command, () => new PublishedTunnels({ ...publish, listener }));
  if (published !== undefined) observePublished(published, log, admin);
  admin?.watchListener(listener);
  const logOf = (tunnel: string) => (first.fromFile ? log.child({ tunnel }) : log);
  const tunnels = new RunningTunnels(
    serverWays({ listener, addresses: new PublicAddresses(log, admin), logOf, admin }),
    log,
  );
  const service = serviceManager(log);
  // What it may meanwhile hear is set up below, in the same turn.
  const started = (async () => {
    await admin?.start(log);
    await tunnels.start(plan.tunnels);
    await listener.start();
  })();
  const reload = reloader(
    async () => {
      const next = await again();
      checkLasting('server', lastingOf('server', plan.command), next.command);
      checkListener(next);
      const change = tunnels.prepare(next.tunnels);
      try {
        checkNames(change.diff.added, published, next.tunnels);
        await checkFree(tryable(change.diff));
        await renewListener(listener, next.settings, next.command);
      } catch (error) {
        tunnels.discard(change);
        throw error;
      }
      for (const warning of next.warnings) log.warn(warning);
      plan = next;
      published?.setVisitorRules(next.settings.publish?.tunnel?.visitors ?? {});
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
      log.info({ signal, visits: tunnels.visits }, 'ending: no new visitors');
      const { gracePeriodMs: graceMs } = plan.settings;
      await Promise.all([listener.close(), tunnels.close(graceMs), published?.close({ graceMs })]);
      log.info({ datagrams: tunnels.datagrams }, 'ended');
    },
    reload: () => void reload(),
  });
  try {
    await started;
  } catch (error) {
    tunnels.destroy();
    void listener.close();
    throw inWordsOf(plan.command, error);
  }
  const { address, fingerprint } = listener;
  // Not there when it was stopped while it started.
  if (address !== undefined) {
    const listen = formatAddress(address);
    const visitors = [...tunnels.tunnels.values()].flatMap((tunnel) => tunnel.address ?? []).map(formatAddress);
    const addresses = { listen, public: first.fromFile ? visitors : visitors[0] };
    log.info({ ...addresses, tls: plan.settings.listener.tls?.mode, fingerprint }, 'listening');
    service.ready(`listening on ${listen}`);
  }
  await stopped;
  service.close();
  return ExitCode.clean;
}
