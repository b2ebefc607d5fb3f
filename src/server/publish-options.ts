import * as v from 'valibot';
import { type Clock, systemClock } from '../shared/clock.ts';
import { InvalidOptionError, reasonOf } from '../shared/errors.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { parsePortRange, type PortRange } from '../shared/net/port-ranges.ts';
import { checkOptions, instance, milliseconds, wholeNumber } from '../shared/options.ts';
import type { ServerListener } from './server-listener.ts';
import type { ServerListenerOptions } from './server-listener-options.ts';
import type { ServerPoolOptions } from './server-pool-options.ts';
import type { TunnelServerOptions } from './tunnel-server.ts';

/** What the pools of published tunnels are made with: what belongs neither to the listener nor to one of them alone. */
export type PublishPoolOptions = Omit<
  ServerPoolOptions<true>,
  | Exclude<keyof ServerListenerOptions, 'keepAliveMs'>
  | 'listener'
  | 'worker'
  | 'workers'
  | 'session'
  | 'opener'
  | 'onVisit'
  | 'tunnel'
  | 'name'
>;

/** The same for the tunnels. What means nothing for a tunnel's protocol is left out there. */
export type PublishTunnelOptions = Pick<
  TunnelServerOptions,
  | 'waitMs'
  | 'openTimeoutMs'
  | 'stallTimeoutMs'
  | 'visitors'
  | 'bandwidth'
  | 'flowIdleTimeoutMs'
  | 'maxFlows'
  | 'maxFlowsPerAddress'
>;

/** Options of `PublishedTunnels`. The first three are required. */
export interface PublishOptions {
  /** Where the clients connect that may ask for ports. It has a token; you start it, and you close it. */
  readonly listener: ServerListener;
  /** The ports that clients may have: `8000-8999`, `9443`. */
  readonly ports: readonly string[];
  /** The address that these ports listen at; `0.0.0.0` for all of the machine. */
  readonly host: string;
  /** How long a port stays open when its last client has gone, ms; 0 closes it at once. Default 10000. */
  readonly lingerMs?: number;
  /** The most ports at a time for the clients of one token, or of tokens that share a name. Default 64. */
  readonly maxPerToken?: number;
  readonly pool?: PublishPoolOptions;
  readonly tunnel?: PublishTunnelOptions;
  readonly clock?: Clock;
}

type Allowed<T> = Readonly<Record<keyof T, true>>;

const POOL: Allowed<Required<PublishPoolOptions>> = {
  maxWaiting: true,
  acquireTimeoutMs: true,
  claimTimeoutMs: true,
  leakThresholdMs: true,
  pickGroup: true,
  maxCapacity: true,
  keepAliveMs: true,
  keepAliveTimeoutMs: true,
  stallTimeoutMs: true,
  clientStrategy: true,
};

const TUNNEL: Allowed<Required<PublishTunnelOptions>> = {
  waitMs: true,
  openTimeoutMs: true,
  stallTimeoutMs: true,
  visitors: true,
  bandwidth: true,
  flowIdleTimeoutMs: true,
  maxFlows: true,
  maxFlowsPerAddress: true,
};

const schema = v.strictObject({
  listener: instance<ServerListener>('a ServerListener'),
  ports: v.pipe(
    v.array(v.string('wants texts'), 'wants a list, as in ["8000-8999"]'),
    v.minLength(1, 'is empty; name the ports that clients may have'),
  ),
  host: v.pipe(v.string('wants a host'), v.nonEmpty('is empty; write 0.0.0.0 for all addresses of the machine')),
  lingerMs: v.optional(milliseconds(), 10_000),
  maxPerToken: v.optional(wholeNumber(1, 65_535), 64),
  pool: v.optional(instance<PublishPoolOptions>('options of a pool'), {}),
  tunnel: v.optional(instance<PublishTunnelOptions>('options of a tunnel'), {}),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
});

/** @throws InvalidOptionError naming the option */
export function checkPublishOptions(given: PublishOptions) {
  const options = checkOptions(schema, given);
  refuseOthers('pool', options.pool, POOL);
  refuseOthers('tunnel', options.tunnel, TUNNEL);
  listenOption('host', { host: options.host, port: 0 });
  return { ...options, ports: options.ports.map(range) };
}

/** @throws InvalidOptionError for an option that is not one of all published tunnels */
function refuseOthers(option: string, given: object, allowed: Readonly<Record<string, true>>): void {
  const stray = Object.keys(given).find((name) => !Object.hasOwn(allowed, name));
  if (stray !== undefined) throw new InvalidOptionError(`${option}.${stray}`, 'has no place here; leave it out');
}

function range(text: string): PortRange {
  try {
    return parsePortRange(text);
  } catch (cause) {
    throw new InvalidOptionError('ports', reasonOf(cause), { cause });
  }
}

/** The options of a tunnel of this protocol, out of those for all. */
export function tunnelOptionsFor(protocol: 'tcp' | 'udp', given: PublishTunnelOptions): PublishTunnelOptions {
  const { waitMs, flowIdleTimeoutMs, maxFlows, maxFlowsPerAddress, visitors, ...common } = given;
  if (protocol === 'tcp') return defined({ ...common, waitMs, visitors });
  const { maxVisitors: _, maxVisitorsPerAddress: __, ...rules } = visitors ?? {};
  return defined({ ...common, flowIdleTimeoutMs, maxFlows, maxFlowsPerAddress, visitors: rules });
}

/** Those of a pool's options that hold for published ones, too. */
export function publishPoolOptions(given: Partial<ServerPoolOptions<true>>): PublishPoolOptions {
  return only(given, POOL);
}

/** The same for a tunnel's. */
export function publishTunnelOptions(given: Partial<TunnelServerOptions>): PublishTunnelOptions {
  return only(given, TUNNEL);
}

function only(given: object, allowed: Readonly<Record<string, true>>): object {
  return Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(allowed, name)));
}

function defined(options: { readonly [K in keyof PublishTunnelOptions]: PublishTunnelOptions[K] | undefined }) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as PublishTunnelOptions;
}
