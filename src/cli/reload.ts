/** SIGHUP and `POST /reload`: what the settings are from is read again. What is wrong changes nothing. */
import type { Command } from 'commander';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import { lastingFlags } from './command-flags.ts';
import type { Side } from './config/config-file.ts';
import { nameOf, valueOf } from './flag.ts';
import type { Logger } from './logging.ts';
import type { Changed } from './plan-diff.ts';

/** Reads the settings and applies them, one time after the other; says how it went, and resolves with what was wrong. */
export type Reload = () => Promise<string | undefined>;

/**
 * @param apply reads and changes everything, or throws and has changed nothing; returns what to say of the tunnels
 * @param level of the line that says that it went well
 */
export function reloader(apply: () => Promise<Changed>, log: Logger, level: 'info' | 'debug' = 'info'): Reload {
  let last: Promise<unknown> = Promise.resolve();
  const reload = async (): Promise<string | undefined> => {
    try {
      const { added, changed, removed } = await apply();
      const changes = Object.entries({ added, changed, removed }).filter(([, names]) => names.length > 0);
      log[level](Object.fromEntries(changes), 'reloaded: files are read again');
      return undefined;
    } catch (error) {
      const problem = reasonOf(error);
      log.error(`reload: nothing has changed: ${problem}`);
      return problem;
    }
  };
  return () => {
    const reloaded = last.then(reload);
    last = reloaded;
    return reloaded;
  };
}

/** The same for whoever asks by other means than a signal. @throws ConfigError saying what was wrong */
export function onDemand(reload: Reload): () => Promise<{ readonly reloaded: true }> {
  return async () => {
    const problem = await reload();
    if (problem !== undefined) throw new ConfigError(problem);
    return { reloaded: true };
  };
}

/** What of a command only a restart changes, as texts: to be compared, in this process or in another one. */
export function lastingOf(side: Side, command: Command): string[] {
  const { values, given } = lastingFlags(side);
  return [
    ...values.map((flag) => JSON.stringify(valueOf(flag, command)) ?? ''),
    ...given.map((flag) => String(valueOf(flag, command) !== undefined)),
  ];
}

/**
 * @param before as {@link lastingOf} has said it
 * @throws ConfigError for a change that only a restart can make
 */
export function checkLasting(side: Side, before: readonly string[], after: Command): void {
  const at = lastingOf(side, after).findIndex((text, index) => text !== before[index]);
  const { values, given } = lastingFlags(side);
  const flag = [...values, ...given][at];
  if (flag === undefined) return;
  throw new ConfigError(`${nameOf(flag, after)}: cannot change while the command runs; restart it for that`);
}
