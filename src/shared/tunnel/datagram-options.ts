/** What a tunnel may carry, and the options that belong to datagrams. */
import * as v from 'valibot';
import { InvalidOptionError } from '../errors.ts';
import { type Address, formatAddress } from '../net/address.ts';
import { milliseconds, wholeNumber } from '../options.ts';
import { type GateRules, type VisitorsOptions, visitorRules, wantRules } from './visitor-rules.ts';

/** Options of both ends of a tunnel. */
export interface DatagramOptions {
  /** What visitors and the target speak; the same at both ends. Default `tcp`. */
  readonly protocol?: 'tcp' | 'udp';
  /** `udp`: a flow, one visitor address and the answers to it, is over when it is silent for so long, ms. Default 60000. */
  readonly flowIdleTimeoutMs?: number;
  /** `udp`: the most flows; at the limit the one that is silent for longest goes. Default 4096. */
  readonly maxFlows?: number;
  /** `udp`: the same for the ports of one visitor's host, where visitors come in. Default 256. */
  readonly maxFlowsPerAddress?: number;
}

/** The most flows that a tunnel may have: each is a socket where it comes out. */
const MAX_FLOWS = 65_536;

export const datagramOptions = {
  protocol: v.optional(v.picklist(['tcp', 'udp'], "wants 'tcp' or 'udp'"), 'tcp'),
  flowIdleTimeoutMs: v.optional(milliseconds(1), 60_000),
  maxFlows: v.optional(wholeNumber(1, MAX_FLOWS), 4096),
  maxFlowsPerAddress: v.optional(wholeNumber(1, MAX_FLOWS), 256),
};

/** The options that mean nothing for one protocol, and why. */
const ONLY_UDP = ['flowIdleTimeoutMs', 'maxFlows', 'maxFlowsPerAddress'] as const;
const ONLY_TCP = {
  waitMs: 'a datagram that finds no connection waits a second at most',
  connectTimeoutMs: 'datagrams are sent without a connect',
  passOn: 'the system keeps each visitor with one process',
  hosts: 'datagrams name no host that could be read',
  proxyFrom: 'the PROXY protocol belongs to connections',
} as const;

/** What was given, not yet filled up with defaults. */
type Given = DatagramOptions & { readonly [K in keyof typeof ONLY_TCP]?: unknown } & {
  readonly targets?: object | undefined;
};

/**
 * Refuses what has no meaning for the tunnel's protocol.
 *
 * @param given as the caller gave it
 * @param isEntrance visitors come in here
 * @throws InvalidOptionError naming the option
 */
export function checkProtocol(given: Given, isEntrance: boolean): void {
  if (given.protocol !== 'udp') {
    const stray = ONLY_UDP.find((option) => given[option] !== undefined);
    if (stray !== undefined) throw new InvalidOptionError(stray, "has no effect without protocol 'udp'");
    return;
  }
  for (const [option, why] of Object.entries(ONLY_TCP)) {
    if (given[option as keyof typeof ONLY_TCP] === undefined) continue;
    throw new InvalidOptionError(option, `has no effect with protocol 'udp': ${why}; leave it out`);
  }
  if (!isEntrance && given.maxFlowsPerAddress !== undefined) {
    throw new InvalidOptionError('maxFlowsPerAddress', 'has no effect where no visitors come in; leave it out');
  }
  const stray = Object.keys(given.targets ?? {}).find((option) => option !== 'strategy');
  if (stray === undefined) return;
  const why = 'a service that answers datagrams cannot be connected to';
  throw new InvalidOptionError(`targets.${stray}`, `has no effect with protocol 'udp': ${why}; leave it out`);
}

/**
 * The rules for visitors as flows are judged by: how many there are is the flows' own bound.
 *
 * @throws InvalidOptionError naming what is wrong in `visitors`
 */
export function flowRules(given: VisitorsOptions): GateRules {
  wantRules(given);
  for (const [option, instead] of [
    ['maxVisitors', 'maxFlows'],
    ['maxVisitorsPerAddress', 'maxFlowsPerAddress'],
  ] as const) {
    if (given[option] === undefined) continue;
    throw new InvalidOptionError(`visitors.${option}`, `has no effect with protocol 'udp'; use ${instead}`);
  }
  return { ...visitorRules(given), maxVisitors: Infinity, maxVisitorsPerAddress: Infinity };
}

/** @throws InvalidOptionError for a target that takes no datagrams */
export function refusePaths(addresses: readonly Address[]): void {
  const path = addresses.find((address) => 'path' in address);
  if (path === undefined) return;
  throw new InvalidOptionError(
    'target',
    `${formatAddress(path)} takes no datagrams: with protocol 'udp' use host:port`,
  );
}
