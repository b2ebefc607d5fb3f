import type { AdminSettings } from '../admin-flags.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { ServerPlan } from '../plan.ts';
import { WORKER_VARIABLE } from './messages.ts';

/** `poold server --workers N`: the first process starts N more, and each of them comes here again. */
export async function runWorkers(
  plan: ServerPlan,
  again: () => Promise<ServerPlan>,
  adminAt?: AdminSettings,
): Promise<ExitCode> {
  const place = /^(\d+)\/(\d+)$/.exec(process.env[WORKER_VARIABLE] ?? '');
  if (place === null || process.send === undefined) {
    const { runPrimary } = await import('./primary.ts');
    return runPrimary(plan, again, adminAt);
  }
  const { runWorker } = await import('./worker.ts');
  return runWorker(plan, again, Number(place[1]), Number(place[2]), adminAt !== undefined);
}
