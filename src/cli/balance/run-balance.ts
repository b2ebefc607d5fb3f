import { formatAddress } from '../../shared/net/address.ts';
import type { Admin } from '../admin/admin.ts';
import { keepFreedMemory } from '../allocator.ts';
import { ExitCode } from '../exit-codes.ts';
import { makeLogger } from '../logging.ts';
import { explained } from '../option-errors.ts';
import { checkLasting, lastingOf, onDemand, reloader } from '../reload.ts';
import type { Outcome } from '../running-tunnels.ts';
import { untilStopped } from '../signals.ts';
import { serviceManager } from '../systemd.ts';
import { logBalancer } from './balance-log.ts';
import { type BalancePlan, makeBalancer } from './balance-plan.ts';

/**
 * `poold balance`: runs until it is told to end.
 *
 * @param again reads the plan anew
 */
export async function runBalance(first: BalancePlan, again: () => BalancePlan, admin?: Admin): Promise<ExitCode> {
  keepFreedMemory();
  let plan = first;
  const balancer = makeBalancer(plan);
  const log = await makeLogger(plan.settings, admin?.notes.hear);
  logBalancer(balancer, log);
  admin?.watchBalancer(balancer);
  const service = serviceManager(log);
  const names = (): string[] => balancer.stats().servers.map(({ server }) => server);
  const reload = reloader((): Promise<Outcome> => {
    const next = again();
    checkLasting('balance', lastingOf('balance', plan.command), next.command);
    const before = new Set(names());
    const { listen: _, headerTimeoutMs: __, idleTimeoutMs: ___, maxHeaderBytes: ____, ...rules } = next.options;
    explained(next.command, () => balancer.setRules(rules));
    plan = next;
    const after = new Set(names());
    const added = [...after].filter((name) => !before.has(name));
    const removed = [...before].filter((name) => !after.has(name));
    return Promise.resolve({ added, changed: [], removed, failed: [] });
  }, log);
  if (admin !== undefined) admin.reload = onDemand(reload);
  const stopped = untilStopped({
    async stop(signal) {
      service.stopping();
      const { on, waiting } = balancer.stats().requests;
      log.info({ signal, requests: on, waiting }, 'ending: no new clients');
      await balancer.close({ graceMs: plan.settings.gracePeriodMs });
      const { opened, closed, retries } = balancer.stats().requests;
      log.info({ opened, closed, retries }, 'ended');
    },
    reload: () => void reload(),
  });
  try {
    await admin?.start(log);
    await balancer.start();
  } catch (error) {
    balancer.destroy();
    throw error;
  }
  const { address } = balancer;
  // Not there when it was stopped while it started.
  if (address !== undefined) {
    const listen = formatAddress(address);
    log.info({ listen, servers: names() }, 'balancing');
    service.ready(`balancing at ${listen}`);
  }
  await stopped;
  service.close();
  return ExitCode.clean;
}
