import * as v from 'valibot';
import { type Clock, systemClock } from '../shared/clock.ts';
import { InvalidOptionError } from '../shared/errors.ts';
import { type Address, formatAddress, type HostAddress } from '../shared/net/address.ts';
import { addressOption, listenOption } from '../shared/net/address-option.ts';
import { AddressRanges } from '../shared/net/address-rules.ts';
import { callback, checkOptions, instance, milliseconds, wholeNumber } from '../shared/options.ts';
import { STRATEGIES, type StrategyName } from '../shared/policy/strategy.ts';
import { HTTP_PATH, listenSchema } from '../shared/tunnel/tunnel-options.ts';
import { type GateRules, type VisitorsOptions, visitorRules } from '../shared/tunnel/visitor-rules.ts';

/** How servers are kept in sight. A failed connect of a request counts as a failed check. */
export interface BalancerHealthOptions {
  /** A GET of this path wants 2xx or 3xx. Default: a connect is enough. */
  readonly path?: string;
  /** From one check to the next, ms; up to a fifth less. Default 5000. */
  readonly intervalMs?: number;
  /** How long a check may take, ms. Default 2000. */
  readonly timeoutMs?: number;
  /** So many checks in a row must pass for a server that is down to be up again. Default 2. */
  readonly rise?: number;
  /** So many in a row must fail for a server to be down. Default 3. */
  readonly fall?: number;
}

/** What a running balancer can be given anew. */
export interface BalancerRulesOptions {
  /** The HTTP servers behind it: `http://host:port`, `host:port`, a port of this machine, or `unix:/path`. */
  readonly servers: readonly string[];
  /** Which of them gets the next request. Default `round-robin`. */
  readonly strategy?: StrategyName;
  /** The most requests, and connections, at each server. Default 256. */
  readonly maxConnections?: number;
  /** The most requests that wait because all servers have as many as they may. Default 4096. */
  readonly maxWaiting?: number;
  /** How long one waits for that, ms. Default 5000. */
  readonly waitMs?: number;
  /** How long a server may take to accept a connection, ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** How long a server may be silent before its answer and within it, and a client within a request or an answer, ms. Default 60000. */
  readonly timeoutMs?: number;
  /** How often a request is tried again at another server, as far as that is safe. Default 2. */
  readonly retries?: number;
  /** The longest body of a request, bytes; 0 does not limit it. Default 0. */
  readonly bodyLimitBytes?: number;
  /** Proxies in front, as addresses and CIDRs, whose X-Forwarded-… headers are believed. Default none. */
  readonly trustedProxies?: readonly string[];
  readonly health?: BalancerHealthOptions;
  /** Which clients may connect, and how many. */
  readonly visitors?: VisitorsOptions;
}

export interface HttpBalancerOptions extends BalancerRulesOptions {
  /** Where clients connect, `host:port`; port 0 takes a free one. */
  readonly listen: string | HostAddress;
  /** How long a client may take to send the head of a request, ms. Default 10000. */
  readonly headerTimeoutMs?: number;
  /** How long a client's connection is kept between two requests, ms. Default 60000. */
  readonly idleTimeoutMs?: number;
  /** The longest head of a request and of an answer, bytes. Default 16384. */
  readonly maxHeaderBytes?: number;
  readonly clock?: Clock;
  /** Random numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

const healthSchema = v.strictObject({
  path: v.optional(v.pipe(v.string(), v.regex(HTTP_PATH, 'wants a path without spaces, for instance /health'))),
  intervalMs: v.optional(milliseconds(1), 5000),
  timeoutMs: v.optional(milliseconds(1), 2000),
  rise: v.optional(wholeNumber(1), 2),
  fall: v.optional(wholeNumber(1), 3),
});

const rulesEntries = {
  servers: v.array(v.string('wants texts'), 'wants a list of servers'),
  strategy: v.optional(v.picklist(STRATEGIES, `wants one of ${STRATEGIES.join(', ')}`), 'round-robin'),
  maxConnections: v.optional(wholeNumber(1, 65_535), 256),
  maxWaiting: v.optional(wholeNumber(0, 1_000_000), 4096),
  waitMs: v.optional(milliseconds(), 5000),
  connectTimeoutMs: v.optional(milliseconds(1), 5000),
  timeoutMs: v.optional(milliseconds(1), 60_000),
  retries: v.optional(wholeNumber(0, 100), 2),
  bodyLimitBytes: v.optional(wholeNumber(0), 0),
  trustedProxies: v.optional(v.array(v.string('wants texts'), 'wants a list'), []),
  health: v.optional(healthSchema, {}),
  visitors: v.optional(instance<VisitorsOptions>('an object'), {}),
};

const rulesSchema = v.strictObject(rulesEntries);

const placeEntries = {
  listen: listenSchema,
  headerTimeoutMs: v.optional(milliseconds(1), 10_000),
  idleTimeoutMs: v.optional(milliseconds(1), 60_000),
  maxHeaderBytes: v.optional(wholeNumber(1024, 1024 * 1024), 16_384),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
  random: v.optional(callback<() => number>(), () => Math.random),
};

const schema = v.strictObject({ ...placeEntries, ...rulesEntries });

/** What holds for each server, checked. */
export interface BackendRules {
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly health: v.InferOutput<typeof healthSchema>;
}

/** What a running balancer can be given anew, checked. */
export interface BalancerRules {
  readonly servers: readonly Address[];
  readonly strategy: StrategyName;
  readonly backend: BackendRules;
  readonly maxWaiting: number;
  readonly waitMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  /** Infinity without a limit. */
  readonly bodyLimitBytes: number;
  readonly trusted: AddressRanges;
  readonly visitors: GateRules;
}

/** The rest, which lasts. */
export interface BalancerPlace {
  readonly listen: HostAddress;
  readonly headerTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/** @throws InvalidOptionError naming the option */
export function balancerOptions(given: HttpBalancerOptions): { place: BalancerPlace; rules: BalancerRules } {
  const { listen, headerTimeoutMs, idleTimeoutMs, maxHeaderBytes, clock, random, ...rules } = checkOptions(
    schema,
    given,
  );
  if (listen === undefined) throw new InvalidOptionError('listen', 'is missing; it says where clients connect');
  const place = {
    listen: listenOption('listen', listen),
    headerTimeoutMs,
    idleTimeoutMs,
    maxHeaderBytes,
    clock,
    random,
  };
  return { place, rules: rulesOf(rules, maxHeaderBytes) };
}

/** @throws InvalidOptionError naming the option */
export function balancerRules(given: BalancerRulesOptions, { maxHeaderBytes }: BalancerPlace): BalancerRules {
  return rulesOf(checkOptions(rulesSchema, given), maxHeaderBytes);
}

function rulesOf(checked: v.InferOutput<typeof rulesSchema>, maxHeaderBytes: number): BalancerRules {
  const { servers, maxConnections, connectTimeoutMs, timeoutMs, health, trustedProxies, visitors, ...rules } = checked;
  return {
    ...rules,
    servers: serverAddresses(servers),
    backend: { maxConnections, connectTimeoutMs, timeoutMs, maxHeaderBytes, health },
    timeoutMs,
    bodyLimitBytes: rules.bodyLimitBytes === 0 ? Infinity : rules.bodyLimitBytes,
    trusted: new AddressRanges('trustedProxies', trustedProxies),
    visitors: visitorRules(visitors),
  };
}

function serverAddresses(servers: readonly string[]): Address[] {
  if (servers.length === 0) throw new InvalidOptionError('servers', 'wants at least one');
  const addresses = servers.map(serverAddress);
  const names = addresses.map(formatAddress);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new InvalidOptionError('servers', `${twice} is given twice`);
  return addresses;
}

/** `http://host:port`, without the port 80, or what stands for it without the scheme. */
function serverAddress(text: string): Address {
  const [, authority, rest = ''] = /^http:\/\/([^/?#]*)(.*)$/i.exec(text) ?? [];
  if (authority === undefined) {
    if (/^https:/i.test(text)) throw new InvalidOptionError('servers', `"${text}": servers are spoken to without TLS`);
    return addressOption('servers', text, { defaultHost: '127.0.0.1' });
  }
  if (rest !== '' && rest !== '/') {
    throw new InvalidOptionError('servers', `"${text}" has a path; write http://host:port alone`);
  }
  const hasPort = /:\d+$/.test(authority.replace(/^\[.*\]/, ''));
  return addressOption('servers', hasPort ? authority : `${authority}:80`);
}
