import * as v from 'valibot';
import { type Clock, systemClock } from '../clock.ts';
import { InvalidOptionError } from '../errors.ts';
import { type Address, formatAddress } from '../net/address.ts';
import { addressOption } from '../net/address-option.ts';
import { instance, milliseconds, wholeNumber } from '../options.ts';
import { type BandwidthOptions, bandwidthSchema } from './bandwidth.ts';
import { type DatagramOptions, datagramOptions, refusePaths } from './datagram-options.ts';
import type { TargetProxy } from './target-header.ts';
import type { TargetsSetup } from './targets.ts';
import type { VisitorsOptions } from './visitor-rules.ts';

/** What both ends of a tunnel may be told. The first three are the entrance's or the exit's, wherever that is. */
export interface TunnelOptions extends DatagramOptions {
  /** How long a visitor waits for a connection before it is reset, ms. Default 5000. */
  readonly waitMs?: number;
  /** How long the other side may take to say anything about a visit, ms. Default 8000. */
  readonly openTimeoutMs?: number;
  /** How long the target may take to accept, ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** A visit that is blocked and moved no byte for so long is reset, ms; 0 never. Default 600000. */
  readonly stallTimeoutMs?: number;
  /** How visits are spread over the targets, and how these are kept in sight. */
  readonly targets?: TargetsOptions;
  /** Who may come in, and how many at a time. */
  readonly visitors?: VisitorsOptions;
  /** How much its visits may move, all together. */
  readonly bandwidth?: BandwidthOptions;
  readonly clock?: Clock;
}

/** A service, or several for the same visits: each `host:port`, `3000` for a port of this machine, or `unix:/path`. */
export type TargetOption = string | Address | readonly (string | Address)[];

/** How visits are spread over the targets of an exit, and how these are kept in sight. */
export interface TargetsOptions {
  /** Which of several comes next: each in turn, who has least visits, or the first that is up. Default `round-robin`. */
  readonly strategy?: 'round-robin' | 'least-in-use' | 'failover';
  /**
   * How the targets are checked: `tcp` connects, `{ http: '/path' }` wants 2xx or 3xx for a GET. With `off` only visits
   * that do not reach a target show that it is down. Default `off` for one target, `tcp` for several.
   */
  readonly check?: 'off' | 'tcp' | { readonly http: string };
  /** From one check to the next, ms; up to a fifth less. Default 10000. */
  readonly checkIntervalMs?: number;
  /** How long a check may take, ms. Default 2000. */
  readonly checkTimeoutMs?: number;
  /** So many checks in a row must pass for a target that is down to be up again. Default 2. */
  readonly rise?: number;
  /** So many in a row must fail for a target to be down; a failed connect counts as one. Default 3. */
  readonly fall?: number;
  /** Connections to each target that are kept ready, each for one visit. Default 0. */
  readonly warm?: number;
  /** A connection that was kept ready for so long is replaced, ms, at least 2000. Default 30000. */
  readonly warmIdleMs?: number;
  /**
   * A PROXY header of this version is the first that a target hears of each visit: it names the visitor's address and
   * the one that it connected to. Checks send one that names nobody. Default `off`.
   */
  readonly proxy?: TargetProxy;
}

/** The same with defaults; `check` is known once the targets are. */
export type TargetsRules = Required<TargetsOptions>;

/** What a GET may ask for: a path that needs no encoding. */
export const HTTP_PATH = /^\/(?!\/)[!-~]*$/;

/** The most connections kept ready for each target. */
const MAX_WARM = 1024;

const targetsSchema = v.strictObject({
  strategy: v.optional(
    v.picklist(['round-robin', 'least-in-use', 'failover'], 'wants round-robin, least-in-use or failover'),
    'round-robin',
  ),
  check: v.optional(
    v.union(
      [
        v.picklist(['off', 'tcp']),
        v.strictObject({
          http: v.pipe(v.string(), v.regex(HTTP_PATH, 'wants a path without spaces, for instance /health')),
        }),
      ],
      "wants 'off', 'tcp' or { http: '/path' }",
    ),
  ),
  checkIntervalMs: v.optional(milliseconds(1), 10_000),
  checkTimeoutMs: v.optional(milliseconds(1), 2000),
  rise: v.optional(wholeNumber(1), 2),
  fall: v.optional(wholeNumber(1), 3),
  warm: v.optional(wholeNumber(0, MAX_WARM), 0),
  warmIdleMs: v.optional(milliseconds(2000), 30_000),
  proxy: v.optional(v.picklist(['off', 'v1', 'v2'], 'wants off, v1 or v2'), 'off'),
});

export const tunnelOptions = {
  ...datagramOptions,
  waitMs: v.optional(milliseconds(), 5000),
  openTimeoutMs: v.optional(milliseconds(1), 8000),
  connectTimeoutMs: v.optional(milliseconds(1), 5000),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  targets: v.optional(targetsSchema, {}),
  visitors: v.optional(instance<VisitorsOptions>('an object'), {}),
  bandwidth: bandwidthSchema,
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
};

/** A place to listen on: `host:port`, or the two apart. */
export const listenSchema = v.optional(
  v.union([v.string(), v.object({ host: v.string(), port: wholeNumber(0, 65535) })], 'wants host:port'),
);

const oneTarget = v.custom<string | Address>(
  (value) => typeof value === 'string' || (typeof value === 'object' && value !== null && !Array.isArray(value)),
);

/** A service, or a list of them: texts, or addresses. */
export const targetSchema = v.optional(
  v.union([oneTarget, v.array(oneTarget)], 'wants host:port, a port, or unix:/path; one, or a list of them'),
);

/**
 * The targets of an exit.
 *
 * @param targets as they were checked
 * @throws InvalidOptionError for an address that is none, that is there twice, or that takes no datagrams where it must
 */
export function exitTargets(
  target: TargetOption,
  targets: v.InferOutput<typeof targetsSchema>,
  protocol: 'tcp' | 'udp',
): Pick<TargetsSetup, 'addresses' | 'rules'> {
  const addresses = [target].flat().map((one) => addressOption('target', one, { defaultHost: '127.0.0.1' }));
  const names = addresses.map(formatAddress);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new InvalidOptionError('target', `${twice} is given twice`);
  if (addresses.length === 0) throw new InvalidOptionError('target', 'wants at least one');
  if (protocol === 'udp') refusePaths(addresses);
  const { check = addresses.length > 1 && protocol === 'tcp' ? 'tcp' : 'off' } = targets;
  return { addresses, rules: { ...targets, check } };
}

/** @throws InvalidOptionError for options about targets where visits come in instead of out */
export function refuseTargets(targets: TargetsOptions | undefined): void {
  const [option] = Object.keys(targets ?? {});
  if (option !== undefined) throw new InvalidOptionError(`targets.${option}`, 'has no effect without a target');
}
