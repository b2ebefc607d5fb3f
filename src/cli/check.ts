/** `poold check`: reads a configuration file as its command would, and says what is wrong with it, or what holds. */
import type { Command } from 'commander';
import { adminSettings } from './admin-flags.ts';
import { levelsOf } from './command-flags.ts';
import { readConfig, type Side } from './config/config-file.ts';
import { clientPlan, serverPlan } from './plan.ts';
import { planText } from './plan-text.ts';
import { rehearseClient, rehearseServer } from './rehearse.ts';

/**
 * Checks a file, and the environment with it. Nothing is started, and no address is looked up.
 *
 * @param typed what the command of that side would be after this line
 * @returns what holds, one option to a line, with where each is from
 * @throws ConfigError naming what is wrong
 */
export async function checkFile(path: string, typed: (side: Side) => Command): Promise<string> {
  const { side } = readConfig(path, levelsOf, process.env);
  const command = typed(side);
  if (side === 'balance') {
    // Imported late: the others do without an HTTP client.
    const { balancePlan, makeBalancer } = await import('./balance/balance-plan.ts');
    const plan = balancePlan(command);
    makeBalancer(plan).destroy();
    return planText(side, plan);
  }
  if (side === 'server') {
    const plan = await serverPlan(command);
    adminSettings(plan.command);
    await rehearseServer(plan);
    return planText(side, plan);
  }
  const plan = await clientPlan(command);
  adminSettings(plan.command);
  rehearseClient(plan);
  return planText(side, plan);
}
