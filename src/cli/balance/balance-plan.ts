/** What `poold balance` is to run: its flags, or those of a file. Read anew for each reload. */
import type { Command } from 'commander';
import type { HttpBalancerOptions } from '../../balancer/balancer-options.ts';
import { HttpBalancer } from '../../balancer/http-balancer.ts';
import { explained } from '../option-errors.ts';
import { commandsOf } from '../plan.ts';
import { type CommonSettings, commonSettings, pick, wants } from '../settings.ts';
import { VISITORS_FLAGS } from '../visitor-flags.ts';
import { BALANCE_FLAGS, HEALTH_FLAGS } from './balance-flags.ts';

export interface BalancePlan {
  readonly settings: CommonSettings;
  readonly options: HttpBalancerOptions;
  /** The flags that these are from. */
  readonly command: Command;
}

/** @throws ConfigError saying what is wrong, in the words of flags, variables and the file */
export function balancePlan(typed: Command): BalancePlan {
  const { process: command } = commandsOf(typed, 'balance');
  wants(BALANCE_FLAGS.listen, command, 'it says where clients connect');
  wants(BALANCE_FLAGS.servers, command, 'it names the HTTP servers behind it');
  const options = {
    ...pick(command, BALANCE_FLAGS),
    health: pick(command, HEALTH_FLAGS),
    visitors: pick(command, VISITORS_FLAGS),
  } as unknown as HttpBalancerOptions;
  return { settings: commonSettings(command), options, command };
}

/** Makes the balancer, and starts nothing. @throws ConfigError naming what is wrong */
export function makeBalancer({ options, command }: BalancePlan): HttpBalancer {
  return explained(command, () => new HttpBalancer(options));
}
