/** SIGHUP and `POST /reload`: what the settings are from is read again. What is wrong changes nothing. */
import type { Command } from 'commander';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import type { ReloadHook } from './admin/admin-server.ts';
import { lastingFlags } from './command-flags.ts';
import type { Side } from './config/config-file.ts';
import { nameOf, valueOf } from './flag.ts';
import type { Logger } from './logging.ts';
import type { Outcome } from './running-tunnels.ts';

const PARTLY = 'not all of it could be done';

/** How a reload went wrong. */
interface Trouble {
  readonly problem: string;
  /** Whether some of it holds nevertheless. */
  readonly partly: boolean;
}

/** Reads the settings and applies them, one time after the other; says how it went, and resolves with what was wrong. */
export type Reload = () => Promise<Trouble | undefined>;

/**
 * @param apply reads and changes everything, or throws and has changed nothing; returns what to say of it
 * @param level of the line that says that it went well
 * @param started until then a reload waits: what is being started cannot be compared yet
 */
export function reloader(
  apply: () => Promise<Outcome>,
  log: Logger,
  { level = 'info', started }: { readonly level?: 'info' | 'debug'; readonly started?: Promise<unknown> } = {},
): Reload {
  // One that could not start is about to end.
  let last: Promise<unknown> = Promise.resolve(started).catch(() => {});
  const reload = async (): Promise<Trouble | undefined> => {
    try {
      const { added, changed, removed, failed } = await apply();
      const changes = Object.entries({ added, changed, removed }).filter(([, names]) => names.length > 0);
      const fields = Object.fromEntries(changes);
      if (failed.length === 0) {
        log[level](fields, 'reloaded: files are read again');
        return undefined;
      }
      const problem = failed.join('; ');
      log.error(fields, `reload: ${PARTLY}: ${problem}; mend that, and reload again`);
      return { problem, partly: true };
    } catch (error) {
      const problem = reasonOf(error);
      log.error(`reload: nothing has changed: ${problem}`);
      return { problem, partly: false };
    }
  };
  let next: ReturnType<Reload> | undefined;
  return () => {
    // One that has not begun yet reads what there is then, also for whoever asks meanwhile.
    next ??= last.then(() => {
      next = undefined;
      return reload();
    });
    last = next;
    return next;
  };
}

/** The same for whoever asks by other means than a signal. */
export function onDemand(reload: Reload): ReloadHook {
  return async () => {
    const trouble = await reload();
    if (trouble === undefined) return { status: 200, answer: { reloaded: true } };
    const { problem, partly } = trouble;
    return partly
      ? { status: 500, answer: { error: `${PARTLY}: ${problem}` } }
      : { status: 422, answer: { error: problem } };
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
