/** SIGHUP and `POST /reload`: what the settings are from is read again. What is wrong changes nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { Command } from 'commander';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import { type Flag, nameOf, valueOf } from './flag.ts';
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

/**
 * @param flags whose values stay
 * @param given whose values may be others, but neither come nor go
 * @throws ConfigError for a change that only a restart can make
 */
export function checkLasting(flags: readonly Flag[], given: readonly Flag[], before: Command, after: Command): void {
  const differs = (flag: Flag): boolean => !isDeepStrictEqual(valueOf(flag, before), valueOf(flag, after));
  const comesOrGoes = (flag: Flag): boolean =>
    (valueOf(flag, before) === undefined) !== (valueOf(flag, after) === undefined);
  const flag = flags.find(differs) ?? given.find(comesOrGoes);
  if (flag === undefined) return;
  throw new ConfigError(`${nameOf(flag, after)}: cannot change while the command runs; restart it for that`);
}
