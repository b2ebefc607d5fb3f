/** Which flags belong to which flow: the one place that says so. */
import type { Command } from 'commander';
import { ConfigError } from '../shared/errors.ts';
import { DATAGRAM_FLAGS } from './datagram-flags.ts';
import { attributeOf, type Flag, isMeant, nameOf, valueOf } from './flag.ts';
import { CLIENT_POOL_FLAGS, FLOW, SERVER_POOL_FLAGS, TUNNEL_CLIENT_FLAGS, TUNNEL_SERVER_FLAGS } from './flags.ts';
import { TARGETS_FLAGS } from './target-flags.ts';
import { VISITORS_FLAGS } from './visitor-flags.ts';

type Flow = 'reverse' | 'forward';

/** About targets: for whichever side has them. */
const TARGETS = Object.values(TARGETS_FLAGS).filter((flag) => flag !== null);

/** About visitors: for whichever side they come in at. */
const VISITORS = [...Object.values(VISITORS_FLAGS), DATAGRAM_FLAGS.maxFlowsPerAddress];

/** Flags that the other flow has no use for, by command. The first of each is where that flow begins or ends: a must. */
const FLAGS_OF: Readonly<Record<'server' | 'client', Readonly<Record<Flow, readonly [Flag, ...Flag[]]>>>> = {
  server: {
    reverse: [
      TUNNEL_SERVER_FLAGS.public,
      TUNNEL_SERVER_FLAGS.hosts,
      TUNNEL_SERVER_FLAGS.proxyFrom,
      TUNNEL_SERVER_FLAGS.waitMs,
      SERVER_POOL_FLAGS.maxWaiting,
      SERVER_POOL_FLAGS.clientStrategy,
      ...VISITORS,
    ],
    forward: [TUNNEL_SERVER_FLAGS.target, TUNNEL_SERVER_FLAGS.connectTimeoutMs, ...TARGETS],
  },
  client: {
    reverse: [TUNNEL_CLIENT_FLAGS.target, TUNNEL_CLIENT_FLAGS.connectTimeoutMs, ...TARGETS],
    forward: [
      TUNNEL_CLIENT_FLAGS.local,
      TUNNEL_CLIENT_FLAGS.waitMs,
      CLIENT_POOL_FLAGS.maxWaiting,
      TUNNEL_CLIENT_FLAGS.serverStrategy,
      ...VISITORS,
    ],
  },
};

/**
 * The flow of a command. What the environment says for the other flow is forgotten: it may be meant for the other command.
 *
 * @throws ConfigError for a flag of the other flow on the command line, or when the one that this flow must have is missing
 */
export function flowOf(command: Command): Flow {
  const flow = (valueOf(FLOW, command) as Flow | undefined) ?? 'reverse';
  const flags = FLAGS_OF[command.name() === 'server' ? 'server' : 'client'];
  for (const flag of flags[flow === 'forward' ? 'reverse' : 'forward']) {
    if (isMeant(flag, command)) {
      throw new ConfigError(`${nameOf(flag, command)}: has no place in a ${flow} tunnel; see --flow`);
    }
    command.setOptionValue(attributeOf(flag), undefined);
  }
  const [wanted] = flags[flow];
  if (valueOf(wanted, command) === undefined) {
    throw new ConfigError(`${nameOf(wanted, command)}: is missing; a ${flow} tunnel wants it, see --flow`);
  }
  return flow;
}
