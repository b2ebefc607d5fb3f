/** Which flags belong to which flow: the one place that says so. */
import type { Command } from 'commander';
import { ConfigError } from '../shared/errors.ts';
import { DATAGRAM_FLAGS } from './datagram-flags.ts';
import { attributeOf, type Flag, isMeant, nameOf, valueOf } from './flag.ts';
import {
  CLIENT_POOL_FLAGS,
  FLOW,
  SERVER_POOL_FLAGS,
  SHARE,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
} from './flags.ts';
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
    reverse: [
      TUNNEL_CLIENT_FLAGS.target,
      TUNNEL_CLIENT_FLAGS.connectTimeoutMs,
      CLIENT_POOL_FLAGS.publish,
      SHARE,
      ...TARGETS,
    ],
    forward: [
      TUNNEL_CLIENT_FLAGS.local,
      TUNNEL_CLIENT_FLAGS.waitMs,
      CLIENT_POOL_FLAGS.maxWaiting,
      TUNNEL_CLIENT_FLAGS.serverStrategy,
      ...VISITORS,
    ],
  },
};

/** Flags that a tunnel of the protocol has no use for. Those of one tunnel the library refuses, and says why. */
const STRANGE_TO: Readonly<Record<'tcp' | 'udp', readonly Flag[]>> = {
  tcp: [DATAGRAM_FLAGS.flowIdleTimeoutMs, DATAGRAM_FLAGS.maxFlows, DATAGRAM_FLAGS.maxFlowsPerAddress],
  udp: [
    TUNNEL_SERVER_FLAGS.waitMs,
    TUNNEL_SERVER_FLAGS.connectTimeoutMs,
    TUNNEL_SERVER_FLAGS.proxyFrom,
    VISITORS_FLAGS.maxVisitors,
    VISITORS_FLAGS.maxVisitorsPerAddress,
    ...TARGETS.filter((flag) => flag !== TARGETS_FLAGS.strategy),
  ],
};

/** The flags that a tunnel has no use for, for its flow or its protocol. */
export function strangersTo(command: Command): ReadonlySet<Flag> {
  return new Set([...strangersToFlow(command), ...strangersToProtocol(command)]);
}

function flowGiven(command: Command): Flow {
  return (valueOf(FLOW, command) as Flow | undefined) ?? 'reverse';
}

function sideOf(command: Command): 'server' | 'client' {
  return command.name() === 'server' ? 'server' : 'client';
}

/** Those that have no place in its flow. */
export function strangersToFlow(command: Command): readonly Flag[] {
  return FLAGS_OF[sideOf(command)][flowGiven(command) === 'forward' ? 'reverse' : 'forward'];
}

function strangersToProtocol(command: Command): readonly Flag[] {
  return STRANGE_TO[(valueOf(DATAGRAM_FLAGS.protocol, command) as 'tcp' | 'udp' | undefined) ?? 'tcp'];
}

/**
 * The flow of a command. What the environment, or a file for all tunnels, says for the other flow or protocol is forgotten:
 * it may be meant for the other command, or for other tunnels.
 *
 * @throws ConfigError for a flag of the other flow on the command line, or when the one that this flow must have is missing
 */
export function flowOf(command: Command): Flow {
  const flow = flowGiven(command);
  for (const flag of strangersToFlow(command)) {
    if (isMeant(flag, command)) {
      throw new ConfigError(`${nameOf(flag, command)}: has no place in a ${flow} tunnel; see --flow`);
    }
    forget(flag, command);
  }
  for (const flag of strangersToProtocol(command)) if (!isMeant(flag, command)) forget(flag, command);
  const [wanted] = FLAGS_OF[sideOf(command)][flow];
  if (valueOf(wanted, command) === undefined) {
    throw new ConfigError(`${nameOf(wanted, command)}: is missing; a ${flow} tunnel wants it, see --flow`);
  }
  return flow;
}

function forget(flag: Flag, command: Command): void {
  command.setOptionValue(attributeOf(flag), undefined);
}
