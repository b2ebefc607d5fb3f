/** Which flags each command has, and which of them may stand where in a file. */
import { ADMIN_FLAGS } from './admin-flags.ts';
import { BALANCE_CONFIG, BALANCE_FLAGS, HEALTH_FLAGS } from './balance/balance-flags.ts';
import { BANDWIDTH_FLAGS } from './bandwidth-flags.ts';
import type { Levels, Side } from './config/config-file.ts';
import { DATAGRAM_FLAGS } from './datagram-flags.ts';
import type { Flag } from './flag.ts';
import {
  CLIENT_POOL_FLAGS,
  CLIENT_TLS_FLAGS,
  COMMON_FLAGS,
  CONFIG,
  FLOW,
  PATIENCE_FLAGS,
  SERVER_POOL_FLAGS,
  SERVER_TLS_FLAGS,
  SHARE,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
  WORKERS,
} from './flags.ts';
import { PUBLISH_FLAGS } from './publish-flags.ts';
import { TARGETS_FLAGS } from './target-flags.ts';
import { VISITORS_FLAGS } from './visitor-flags.ts';

/** Rows of flags; null for options that have none. */
export type Rows = Readonly<Record<string, Flag | null>>;

/** What both have about one tunnel. */
const TUNNEL_ROWS: readonly Rows[] = [{ FLOW }, VISITORS_FLAGS, DATAGRAM_FLAGS, TARGETS_FLAGS, BANDWIDTH_FLAGS];

/** The tables of each command, in the order of its help. */
export const COMMAND_ROWS: Readonly<Record<Side, readonly Rows[]>> = {
  server: [
    { CONFIG },
    SERVER_POOL_FLAGS,
    TUNNEL_SERVER_FLAGS,
    ...TUNNEL_ROWS,
    PUBLISH_FLAGS,
    SERVER_TLS_FLAGS,
    COMMON_FLAGS,
    ADMIN_FLAGS,
    { WORKERS },
  ],
  client: [
    { CONFIG },
    CLIENT_POOL_FLAGS,
    { SHARE },
    TUNNEL_CLIENT_FLAGS,
    ...TUNNEL_ROWS,
    CLIENT_TLS_FLAGS,
    COMMON_FLAGS,
    ADMIN_FLAGS,
    PATIENCE_FLAGS,
  ],
  balance: [
    { BALANCE_CONFIG },
    BALANCE_FLAGS,
    HEALTH_FLAGS,
    VISITORS_FLAGS,
    { ...COMMON_FLAGS, tokenFile: null },
    ADMIN_FLAGS,
  ],
};

/** The flags of some tables. */
export function flagsOf(tables: readonly Rows[]): Flag[] {
  return tables.flatMap((table) => Object.values(table)).filter((flag) => flag !== null);
}

/** For the process: the tunnels share one listener, one log, one admin address. */
const PROCESS: Readonly<Record<Side, readonly Flag[]>> = {
  server: [
    SERVER_POOL_FLAGS.listen,
    SERVER_POOL_FLAGS.allow,
    SERVER_POOL_FLAGS.token,
    SERVER_POOL_FLAGS.handshakeTimeoutMs,
    SERVER_POOL_FLAGS.maxHandshakes,
    SERVER_POOL_FLAGS.maxHandshakesPerAddress,
    WORKERS,
    ...flagsOf([PUBLISH_FLAGS, SERVER_TLS_FLAGS, COMMON_FLAGS, ADMIN_FLAGS]),
  ],
  client: flagsOf([{ ...COMMON_FLAGS, tokenFile: null }, ADMIN_FLAGS, PATIENCE_FLAGS]),
  balance: flagsOf(COMMAND_ROWS.balance).filter((flag) => flag !== BALANCE_CONFIG),
};

/** Those of the process that a reload can change. */
const RENEWED: readonly Flag[] = [
  SERVER_POOL_FLAGS.allow,
  SERVER_POOL_FLAGS.token,
  COMMON_FLAGS.tokenFile,
  COMMON_FLAGS.gracePeriod,
  ...flagsOf([
    { ...BALANCE_FLAGS, listen: null, headerTimeoutMs: null, maxHeaderBytes: null, idleTimeoutMs: null },
    HEALTH_FLAGS,
    VISITORS_FLAGS,
  ]),
];

/** Those that a reload reads again where they are given; they neither come nor go. */
const REREAD: ReadonlySet<Flag> = new Set([SERVER_TLS_FLAGS.cert, SERVER_TLS_FLAGS.key, SERVER_TLS_FLAGS.clientCa]);

/** The flags of a process that only a restart changes: their values, or whether they are given at all. */
export function lastingFlags(side: Side): { readonly values: readonly Flag[]; readonly given: readonly Flag[] } {
  const given = PROCESS[side].filter((flag) => REREAD.has(flag));
  return { values: PROCESS[side].filter((flag) => ![...RENEWED, ...given].includes(flag)), given };
}

/** Where visitors come in or go out: each tunnel has its own. */
const OWN: Readonly<Record<Side, readonly Flag[]>> = {
  server: [TUNNEL_SERVER_FLAGS.public, TUNNEL_SERVER_FLAGS.hosts, TUNNEL_SERVER_FLAGS.target],
  client: [TUNNEL_CLIENT_FLAGS.target, TUNNEL_CLIENT_FLAGS.local, CLIENT_POOL_FLAGS.publish],
  balance: [],
};

/** Said by a tunnel's key in the file. */
const NAME: Readonly<Record<Side, Flag | undefined>> = {
  server: SERVER_POOL_FLAGS.tunnel,
  client: CLIENT_POOL_FLAGS.tunnel,
  balance: undefined,
};

/** The flag that a tunnel's key in the file stands for; undefined where a file has no tunnels. */
export function nameFlag(side: 'server' | 'client'): Flag;
export function nameFlag(side: Side): Flag | undefined;
export function nameFlag(side: Side): Flag | undefined {
  return NAME[side];
}

/** Where the flags of a command may stand in a file. */
export function levelsOf(side: Side): Levels {
  const [process, own] = [PROCESS[side], OWN[side]];
  const elsewhere = new Set<Flag | undefined>([CONFIG, BALANCE_CONFIG, NAME[side], ...process, ...own]);
  const shared = flagsOf(COMMAND_ROWS[side]).filter((flag) => !elsewhere.has(flag));
  return { process, own, shared };
}
