/** The help of the commands that run: what stands under which heading, in which order, and how a flag is described. */
import type { Help, Option } from 'commander';
import { ADMIN_FLAGS } from './admin-flags.ts';
import { BALANCE_CONFIG, BALANCE_FLAGS, HEALTH_FLAGS } from './balance/balance-flags.ts';
import { flagsOf, type Rows } from './command-flags.ts';
import { BANDWIDTH_FLAGS } from './bandwidth-flags.ts';
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
  TOKEN,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
  WORKERS,
} from './flags.ts';
import { PUBLISH_FLAGS } from './publish-flags.ts';
import { TARGETS_FLAGS } from './target-flags.ts';
import { VISITORS_FLAGS } from './visitor-flags.ts';

interface HelpGroup {
  readonly heading: string;
  /** What stands here by name, whichever table it is from. */
  readonly flags: readonly Flag[];
  /** Whose other flags stand here, so that a new row has a heading without being named. */
  readonly tables: readonly Rows[];
}

/** For all commands: each has its own part of the flags. */
const GROUPS: readonly HelpGroup[] = [
  {
    heading: 'The balancer, from where to where:',
    flags: [BALANCE_CONFIG, BALANCE_FLAGS.listen, BALANCE_FLAGS.servers, BALANCE_FLAGS.strategy],
    tables: [],
  },
  { heading: 'Requests:', flags: [], tables: [BALANCE_FLAGS] },
  { heading: 'Health of the servers:', flags: [], tables: [HEALTH_FLAGS] },
  {
    heading: 'The tunnel, from where to where:',
    flags: [
      CONFIG,
      SERVER_POOL_FLAGS.listen,
      TUNNEL_SERVER_FLAGS.public,
      CLIENT_POOL_FLAGS.dial,
      TUNNEL_CLIENT_FLAGS.target,
      TUNNEL_CLIENT_FLAGS.local,
      TUNNEL_SERVER_FLAGS.target,
      FLOW,
      DATAGRAM_FLAGS.protocol,
      SERVER_POOL_FLAGS.tunnel,
      CLIENT_POOL_FLAGS.proxy,
    ],
    tables: [TUNNEL_SERVER_FLAGS, TUNNEL_CLIENT_FLAGS],
  },
  {
    heading: 'Trust between server and client:',
    flags: [COMMON_FLAGS.tokenFile, TOKEN, SERVER_POOL_FLAGS.allow],
    tables: [SERVER_TLS_FLAGS, CLIENT_TLS_FLAGS],
  },
  {
    heading: 'Log, metrics, process:',
    flags: [],
    tables: [COMMON_FLAGS, ADMIN_FLAGS, { WORKERS }, PATIENCE_FLAGS],
  },
  {
    heading: 'Visitors, where they come in:',
    flags: [
      ...flagsOf([VISITORS_FLAGS]),
      TUNNEL_SERVER_FLAGS.hosts,
      TUNNEL_SERVER_FLAGS.proxyFrom,
      TUNNEL_SERVER_FLAGS.waitMs,
      SERVER_POOL_FLAGS.maxWaiting,
      SERVER_POOL_FLAGS.clientStrategy,
      TUNNEL_CLIENT_FLAGS.serverStrategy,
    ],
    tables: [VISITORS_FLAGS],
  },
  {
    heading: 'Targets, where they are:',
    flags: [TUNNEL_SERVER_FLAGS.connectTimeoutMs],
    tables: [TARGETS_FLAGS],
  },
  { heading: 'The pool of connections:', flags: [], tables: [SERVER_POOL_FLAGS, CLIENT_POOL_FLAGS] },
  { heading: 'UDP:', flags: [], tables: [DATAGRAM_FLAGS] },
  { heading: 'Bandwidth:', flags: [], tables: [BANDWIDTH_FLAGS] },
  { heading: 'Ports that clients open:', flags: [CLIENT_POOL_FLAGS.publish, SHARE], tables: [PUBLISH_FLAGS] },
];

/** Where flags stand that no group knows, with --help: commander's own heading. */
export const OTHER = 'Options:';

/** A command's flags by the headings of its help; all of them, each once. */
export function groupFlags(tables: readonly Rows[]): { readonly heading: string; readonly flags: readonly Flag[] }[] {
  const left = new Set(flagsOf(tables));
  const named = new Set(GROUPS.flatMap(({ flags }) => flags));
  const take = (flags: readonly Flag[]): Flag[] => flags.filter((flag) => left.delete(flag));
  const groups = GROUPS.map(({ heading, flags, tables: own }) => {
    const rest = flagsOf(tables).filter((flag) => flagsOf(own).includes(flag) && !named.has(flag));
    return { heading, flags: take([...flags, ...rest]) };
  });
  return [...groups, { heading: OTHER, flags: [...left] }].filter(({ flags }) => flags.length > 0);
}

/** How commander is to describe flags. Of a flag's variable nothing is said: its name follows from the flag's. */
export const HELP = {
  /** Choices are listed where the text does not name them. */
  optionDescription({ description, argChoices = [] }: Option): string {
    const words = new Set(description.split(/[^\w-]+/));
    if (argChoices.every((choice) => words.has(choice))) return description;
    return `${description} (choices: ${argChoices.join(', ')})`;
  },
} as const satisfies Partial<Help>;
