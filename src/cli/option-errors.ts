/** The library's complaints about its options, in the words of whoever gave them: flags and variables. */
import type { Command } from 'commander';
import { ConfigError, InvalidOptionError } from '../shared/errors.ts';
import { BALANCE_FLAGS, HEALTH_FLAGS } from './balance/balance-flags.ts';
import { BANDWIDTH_FLAGS } from './bandwidth-flags.ts';
import { DATAGRAM_FLAGS } from './datagram-flags.ts';
import { type Flag, nameOf } from './flag.ts';
import {
  CLIENT_POOL_FLAGS,
  CLIENT_TLS_FLAGS,
  COMMON_FLAGS,
  SERVER_POOL_FLAGS,
  SERVER_TLS_FLAGS,
  TOKENS,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
} from './flags.ts';
import { PUBLISH_FLAGS } from './publish-flags.ts';
import { tokenFlag } from './secrets.ts';
import { TARGETS_FLAGS } from './target-flags.ts';
import { VISITORS_FLAGS } from './visitor-flags.ts';

type Rows = Readonly<Record<string, Flag | null>>;

/** `minCapacity: 9 is above maxCapacity 8` → `POOLD_MIN: 9 is above --max 8`. */
export function explain(error: InvalidOptionError, command: Command): string {
  const name = (option: string): string => {
    const listed = /^token(\[\d+\].*)/.exec(option)?.[1];
    if (listed !== undefined) return nameOf(TOKENS, command) + listed;
    const flag = flagOf(option, command);
    return flag === undefined ? option : nameOf(flag, command);
  };
  const problem = error.message.slice(error.option.length);
  return name(error.option) + problem.replaceAll(/\b[a-z]+(?:[A-Z][a-z]+)+\b/g, name);
}

/** Runs what may refuse an option of the library, and says that in the words of whoever gave it. @throws ConfigError */
export function explained<T>(command: Command, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw inWordsOf(command, error);
  }
}

/** An error in the words of whoever gave the option that it is about; any other as it is. */
export function inWordsOf(command: Command, error: unknown): unknown {
  return error instanceof InvalidOptionError ? new ConfigError(explain(error, command), { cause: error }) : error;
}

/** The flag that fills an option of the library. */
function flagOf(option: string, command: Command): Flag | undefined {
  // A missing token is best given by a file.
  if (option === 'token') return tokenFlag(command) ?? COMMON_FLAGS.tokenFile;
  const isServer = command.name() === 'server';
  const [head = '', tail = ''] = option.split('.');
  const tls: Rows = isServer ? SERVER_TLS_FLAGS : CLIENT_TLS_FLAGS;
  if (head === 'tls') return tls[tail] ?? undefined;
  const targets: Rows = TARGETS_FLAGS;
  if (head === 'targets') return targets[tail.split('.', 1)[0] ?? ''] ?? undefined;
  const visitors: Rows = VISITORS_FLAGS;
  if (head === 'visitors') return visitors[tail.split('.', 1)[0] ?? ''] ?? undefined;
  const health: Rows = HEALTH_FLAGS;
  if (head === 'health') return health[tail] ?? undefined;
  const balance: Rows = BALANCE_FLAGS;
  if (command.name() === 'balance') return balance[head] ?? visitors[head] ?? undefined;
  const bandwidth: Rows = BANDWIDTH_FLAGS;
  if (head === 'bandwidth') return bandwidth[tail] ?? undefined;
  const pool: Rows = isServer ? SERVER_POOL_FLAGS : CLIENT_POOL_FLAGS;
  const tunnel: Rows = isServer ? TUNNEL_SERVER_FLAGS : TUNNEL_CLIENT_FLAGS;
  const datagrams: Rows = DATAGRAM_FLAGS;
  const publish: Rows = isServer ? PUBLISH_FLAGS : {};
  return pool[head] ?? tunnel[head] ?? visitors[head] ?? datagrams[head] ?? publish[head] ?? undefined;
}
