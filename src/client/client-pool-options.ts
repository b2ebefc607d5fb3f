import * as v from 'valibot';
import { InvalidOptionError } from '../shared/errors.ts';
import { type Address, formatAddress, isLoopback } from '../shared/net/address.ts';
import { addressOption } from '../shared/net/address-option.ts';
import { checkOptions, milliseconds, wholeNumber } from '../shared/options.ts';
import { type PoolOptions, poolOptionsSchema } from '../shared/pool/pool-options.ts';
import { Breaker } from '../shared/resilience/breaker.ts';
import { checkTokens, refuseToken } from '../shared/session/check-token.ts';
import { checkClientTls, type ClientTlsOptions } from '../shared/tls/modes.ts';
import type { VisitListener } from '../shared/tunnel/visit-pool.ts';
import { isName } from '../shared/wire/fields.ts';
import type { PublishInfo } from '../shared/wire/messages.ts';
import type { IdFormat } from '../shared/wire/tag.ts';
import type { Connect } from './dial.ts';
import { connectThrough } from './proxy.ts';
import { proxyOption, type ProxyServer } from './proxy-url.ts';

/** Default of `tunnel`, without `publish`. */
export const DEFAULT_TUNNEL = 'default';

/** A public port that the server is to open for the tunnel, if it lets clients have some. */
export interface PublishOption {
  /** Where visitors connect, 1 to 65535; the host is the server's to say. */
  readonly port: number;
  /** Lets other clients of the same tunnel that say so, too, serve the port's visitors. Default false. */
  readonly share?: boolean;
  /** What visitors speak; a `TunnelClient` says it by its own `protocol`. Default `tcp`. */
  readonly protocol?: 'tcp' | 'udp';
}

type CoreOptions = Pick<
  PoolOptions,
  | 'name'
  | 'maxWaiting'
  | 'acquireTimeoutMs'
  | 'idleTimeoutMs'
  | 'maxLifetimeMs'
  | 'claimTimeoutMs'
  | 'leakThresholdMs'
  | 'clock'
  | 'random'
>;

/** Options of a {@link ClientPool}. `dial` is required. */
export interface ClientPoolOptions<S extends boolean = boolean> extends CoreOptions {
  /** The server: `host:port`, an address, or a function that connects by other means (TLS and the rest come on top). */
  readonly dial: string | Address | Connect;
  /**
   * The proxy on the way to the server: `http://host:port` or `https://…` for CONNECT, `socks5://…` or `socks5h://…`. The
   * port is 80, 443 or 1080 if none is given; `user:password@` stands before the host, percent-encoded where needed. The
   * proxy looks the server's name up, whatever its kind (those that a `TunnelClient` finds by `dns:` and `srv:` are
   * addresses by then). TLS and token are between client and server as without it.
   */
  readonly proxy?: string;
  /** Wanted idle connections adapt between these; the second also bounds all connections. Default 8 and 1024. */
  readonly minCapacity?: number;
  readonly maxCapacity?: number;
  /** The pause between two rounds adapts between these, ms. Default 100 and 1000. */
  readonly minIntervalMs?: number;
  readonly maxIntervalMs?: number;
  /** The most dials under way. Default 32. */
  readonly maxConnecting?: number;
  /** An idle connection that was silent for so long is asked for a sign of life, ms; also TCP keep-alive. 0 never. Default 30000. */
  readonly keepAliveMs?: number;
  /**
   * Counts failed dials, and holds the next ones back while it is open, unless `alone` says that there is no other server
   * to turn to. Default: none.
   */
  readonly breaker?: Breaker;
  readonly alone?: () => boolean;
  /** At how many pools those who wait here wait at the same time: each makes its share of the connections. Default: one. */
  readonly sharedBy?: () => number;
  /** How long the answer may take before the connection is replaced, ms. Default 5000. */
  readonly keepAliveTimeoutMs?: number;
  /** The same during a visit, where the answer stands behind the visit's bytes, ms; 0 for ever. Default 600000. */
  readonly stallTimeoutMs?: number;
  /** Default mode 1. */
  readonly tls?: ClientTlsOptions;
  readonly idFormat?: IdFormat;
  /** False: tag, then raw connections as the ancestor has them. Default true. */
  readonly session?: S;
  /** The secret to prove. Required where the server is not on this machine. Only with sessions. */
  readonly token?: string;
  /** Default `default`; with `publish` one that names the port, `port-8080` or `port-8080-udp`. */
  readonly tunnel?: string;
  /** Asks the server to open a public port for this tunnel. Only with sessions, and for visits that the server opens. */
  readonly publish?: number | PublishOption;
  /** From the first packet to pooled, ms. Default 5000. */
  readonly handshakeTimeoutMs?: number;
  /**
   * Which side this client wants to open visits: `server` for a reverse tunnel, `client` for a forward one. A server
   * that has it otherwise is not connected to. Default: as the server has it.
   */
  readonly opener?: 'server' | 'client';
  /** Serves the visits that the server opens. Without it they are refused. Only with sessions. */
  readonly onVisit?: VisitListener;
}

const port = wholeNumber(1, 65_535);

const { name, ...core } = poolOptionsSchema.entries;

const schema = v.strictObject({
  name: v.optional(name.wrapped, 'client'),
  maxWaiting: core.maxWaiting,
  acquireTimeoutMs: core.acquireTimeoutMs,
  idleTimeoutMs: core.idleTimeoutMs,
  maxLifetimeMs: core.maxLifetimeMs,
  claimTimeoutMs: core.claimTimeoutMs,
  leakThresholdMs: core.leakThresholdMs,
  clock: core.clock,
  random: core.random,
  dial: v.custom<string | Address | Connect>(
    (value) => ['string', 'object', 'function'].includes(typeof value) && value !== null,
    'wants host:port, an address or a function',
  ),
  proxy: v.optional(v.string('wants a URL')),
  minCapacity: v.optional(wholeNumber(0), 8),
  maxCapacity: v.optional(wholeNumber(1), 1024),
  minIntervalMs: v.optional(milliseconds(10), 100),
  maxIntervalMs: v.optional(milliseconds(10), 1000),
  maxConnecting: v.optional(wholeNumber(1), 32),
  breaker: v.optional(v.instance(Breaker, 'wants a Breaker')),
  alone: v.optional(v.custom<() => boolean>((value) => typeof value === 'function', 'wants a function')),
  sharedBy: v.optional(v.custom<() => number>((value) => typeof value === 'function', 'wants a function')),
  keepAliveMs: v.optional(milliseconds(), 30_000),
  keepAliveTimeoutMs: v.optional(milliseconds(1), 5000),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  tls: v.optional(
    v.custom<ClientTlsOptions>((value) => typeof value === 'object', 'wants an object'),
    { mode: 1 },
  ),
  idFormat: v.optional(v.picklist(['text8', 'raw4'], 'wants text8 or raw4'), 'text8'),
  session: v.optional(v.boolean('wants true or false'), true),
  token: v.optional(v.string('wants a text')),
  tunnel: v.optional(v.custom<string>(isName, 'wants 1 to 64 of A-Z a-z 0-9 . _ -')),
  publish: v.optional(
    v.union(
      [
        port,
        v.strictObject({
          port,
          share: v.optional(v.boolean(), false),
          protocol: v.optional(v.picklist(['tcp', 'udp']), 'tcp'),
        }),
      ],
      'wants a port from 1 to 65535, or { port, share, protocol }',
    ),
  ),
  handshakeTimeoutMs: v.optional(milliseconds(1), 5000),
  opener: v.optional(v.picklist(['server', 'client'], 'wants server or client')),
  onVisit: v.optional(v.custom<VisitListener>((value) => typeof value === 'function', 'wants a function')),
});

type Checked = v.InferOutput<typeof schema>;

/** @throws InvalidOptionError naming the option */
export function checkClientPoolOptions(given: ClientPoolOptions) {
  // Its password goes no further than where it is used.
  const { proxy: url, ...options } = checkOptions(schema, given);
  notAbove('minCapacity', options.minCapacity, 'maxCapacity', options.maxCapacity);
  notAbove('minIntervalMs', options.minIntervalMs, 'maxIntervalMs', options.maxIntervalMs);
  checkClientTls(options.tls);
  const server = typeof options.dial === 'function' ? options.dial : addressOption('dial', options.dial);
  const proxy = url === undefined ? undefined : proxyOption('proxy', url);
  const to = proxy === undefined ? server : through(proxy, server, options);
  const host = typeof server === 'object' && 'host' in server ? server.host : undefined;
  const remote = typeof server === 'function' ? 'the server' : formatAddress(server);
  // The proxy's loopback addresses are not ours.
  const required = host !== undefined && !(proxy === undefined && isLoopback(host));
  const checkToken = (token: string | undefined) => {
    if (!options.session) refuseToken(token);
    return checkTokens(token, options.session && required);
  };
  const { onVisit } = options;
  const publish = publishInfo(given.publish);
  if (publish !== undefined) checkPublish(options);
  const tunnel = tunnelName(given);
  const via = proxy && formatAddress(proxy.address);
  const tokens = checkToken(options.token);
  return { ...options, onVisit, to, proxy: via, remote, host, checkToken, tokens, publish, tunnel };
}

/** The name of a pool's tunnel. */
export function tunnelName({ tunnel, publish }: Pick<ClientPoolOptions, 'tunnel' | 'publish'>): string {
  const wanted = publishInfo(publish);
  if (tunnel !== undefined || wanted === undefined) return tunnel ?? DEFAULT_TUNNEL;
  return `port-${wanted.port}${wanted.protocol === 'udp' ? '-udp' : ''}`;
}

/** What HELLO says of the option. */
function publishInfo(option: ClientPoolOptions['publish']): PublishInfo | undefined {
  if (option === undefined) return undefined;
  const { port: wanted, share = false, protocol = 'tcp' } = typeof option === 'number' ? { port: option } : option;
  return { port: wanted, protocol, share };
}

/** @throws InvalidOptionError where no visitors come from a port of the server's */
function checkPublish({ session, opener }: Pick<Checked, 'session' | 'opener'>): void {
  if (!session)
    throw new InvalidOptionError('publish', 'has no effect with session: false, where nobody is asked for it');
  if (opener !== 'client') return;
  throw new InvalidOptionError('publish', 'has no place in a forward tunnel, whose visitors come in at the client');
}

function notAbove(low: string, lowest: number, high: string, highest: number): void {
  if (lowest > highest) throw new InvalidOptionError(low, `${lowest} is above ${high} ${highest}`);
}

function through(
  proxy: ProxyServer,
  server: Address | Connect,
  { keepAliveMs, session, token }: Pick<Checked, 'keepAliveMs' | 'session' | 'token'>,
): Connect {
  if (typeof server === 'function') {
    throw new InvalidOptionError('proxy', 'has no place where dial is a function; use one of them');
  }
  if ('path' in server) {
    throw new InvalidOptionError('proxy', 'cannot reach a unix socket; leave it out, or dial host:port');
  }
  if (session && token === undefined && isLoopback(server.host)) {
    const problem = `is missing, and ${server.host} is the proxy's own machine there; make one with \`poold token\``;
    throw new InvalidOptionError('token', problem);
  }
  return connectThrough(proxy, server, keepAliveMs);
}
