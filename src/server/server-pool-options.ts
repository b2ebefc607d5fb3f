import { Server } from 'node:net';
import * as v from 'valibot';
import { InvalidOptionError } from '../shared/errors.ts';
import { type HostAddress, isLoopback } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { AddressRules } from '../shared/net/address-rules.ts';
import { checkOptions, milliseconds, wholeNumber } from '../shared/options.ts';
import { type PoolOptions, poolOptionsSchema } from '../shared/pool/pool-options.ts';
import { STRATEGIES, type StrategyName } from '../shared/policy/strategy.ts';
import { checkTokens, refuseToken, type TokensOption } from '../shared/session/check-token.ts';
import { checkServerTls, type ServerTlsOptions } from '../shared/tls/modes.ts';
import type { VisitListener } from '../shared/tunnel/visit-pool.ts';
import { isName } from '../shared/wire/fields.ts';
import { MAX_WORKERS } from '../shared/wire/messages.ts';
import type { IdFormat } from '../shared/wire/tag.ts';

type CoreOptions = Pick<
  PoolOptions,
  'name' | 'maxWaiting' | 'acquireTimeoutMs' | 'claimTimeoutMs' | 'leakThresholdMs' | 'pickGroup' | 'clock' | 'random'
>;

/** Default of `maxCapacity`. */
export const DEFAULT_MAX_CAPACITY = 4096;

/** Options of a {@link ServerPool}. One of `listen` and `server` is required. */
export interface ServerPoolOptions<S extends boolean = boolean> extends CoreOptions {
  /** Where clients connect: `host:port`; port 0 takes a free one. */
  readonly listen?: string | HostAddress;
  /**
   * Instead of `listen`: a server of yours, created with `allowHalfOpen`. You listen with it, and you close it. Without a
   * token it must listen on a loopback address or a unix socket before the pool starts, and go nowhere else.
   */
  readonly server?: Server;
  /** Lets other processes listen on the same port, where Node can (22.12 and later); the system spreads clients. */
  readonly reusePort?: boolean;
  /** Which of the `workers` processes that share the listener this is, from 0; clients keep connections to each. */
  readonly worker?: number;
  readonly workers?: number;
  /** The most pooled connections, in each process. Default 4096. */
  readonly maxCapacity?: number;
  /** Client addresses and CIDRs, IPv4 and IPv6; others are closed before TLS. Default: everyone. */
  readonly allow?: readonly string[];
  /** Default mode 1. */
  readonly tls?: ServerTlsOptions;
  /** How often idle connections are proved alive, ms, from 1000; also TCP keep-alive. 0 never. Default 30000. */
  readonly keepAliveMs?: number;
  /** How long a connection may take to answer when it is asked, ms. Default 5000. */
  readonly keepAliveTimeoutMs?: number;
  /** The same during a visit, where the answer stands behind the visit's bytes, ms; 0 for ever. Default 600000. */
  readonly stallTimeoutMs?: number;
  /** Which of several clients the next visitor goes to, unless `pickGroup` says. Default `least-in-use`. */
  readonly clientStrategy?: StrategyName;
  /** `text8` (default), or `raw4` as NodePass 1.14 has it. */
  readonly idFormat?: IdFormat;
  /** False: tag, then raw connections as the ancestor has them, without greeting, token or reuse. Default true. */
  readonly session?: S;
  /**
   * The secret that clients must prove; several are valid at once, with names, an end and tunnels of their own. Required
   * where others than this machine connect. Only with sessions.
   */
  readonly token?: TokensOption;
  /** Which side opens visits: `server` for a reverse tunnel, `client` for a forward one. Default `server`. */
  readonly opener?: 'server' | 'client';
  /** Serves the visits that clients open. Without it they are refused. Only with `opener: 'client'`. */
  readonly onVisit?: VisitListener;
  /** The tunnel's name, the same at both sides. Default `default`. */
  readonly tunnel?: string;
  /** From accept to pooled, ms. Default 5000. */
  readonly handshakeTimeoutMs?: number;
  /** The most connections that have proved nothing yet; beyond, the oldest goes. Default 512. */
  readonly maxHandshakes?: number;
  /** The same for one address. Default 128. */
  readonly maxHandshakesPerAddress?: number;
}

const { name, maxWaiting, acquireTimeoutMs, claimTimeoutMs, leakThresholdMs, pickGroup, clock, random } =
  poolOptionsSchema.entries;

const schema = v.strictObject({
  name: v.optional(name.wrapped, 'server'),
  maxWaiting,
  acquireTimeoutMs,
  claimTimeoutMs,
  leakThresholdMs,
  pickGroup,
  clock,
  random,
  listen: v.optional(
    v.union([v.string(), v.object({ host: v.string(), port: wholeNumber(0, 65535) })], 'wants host:port'),
  ),
  server: v.optional(v.instance(Server, 'wants a net.Server')),
  reusePort: v.optional(v.boolean('wants true or false'), false),
  worker: v.optional(wholeNumber(0, MAX_WORKERS - 1), 0),
  workers: v.optional(wholeNumber(1, MAX_WORKERS), 1),
  maxCapacity: v.optional(wholeNumber(1, 1_000_000), DEFAULT_MAX_CAPACITY),
  allow: v.optional(v.array(v.string('wants texts'), 'wants a list'), []),
  tls: v.optional(
    v.custom<ServerTlsOptions>((value) => typeof value === 'object', 'wants an object'),
    { mode: 1 },
  ),
  keepAliveMs: v.optional(
    v.union(
      [v.literal(0), v.pipe(milliseconds(1000), v.integer(), v.maxValue(3_600_000))],
      'wants 0, or 1000 to 3600000',
    ),
    30_000,
  ),
  keepAliveTimeoutMs: v.optional(milliseconds(1), 5000),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  clientStrategy: v.optional(v.picklist(STRATEGIES, `wants one of ${STRATEGIES.join(', ')}`), 'least-in-use'),
  idFormat: v.optional(v.picklist(['text8', 'raw4'], 'wants text8 or raw4'), 'text8'),
  session: v.optional(v.boolean('wants true or false'), true),
  // Checked by `checkTokens`, which quotes no secret.
  token: v.optional(v.custom<TokensOption>(() => true)),
  tunnel: v.optional(v.custom<string>(isName, 'wants 1 to 64 of A-Z a-z 0-9 . _ -'), 'default'),
  opener: v.optional(v.picklist(['server', 'client'], 'wants server or client'), 'server'),
  onVisit: v.optional(v.custom<VisitListener>((value) => typeof value === 'function', 'wants a function')),
  handshakeTimeoutMs: v.optional(milliseconds(1), 5000),
  maxHandshakes: v.optional(wholeNumber(1), 512),
  maxHandshakesPerAddress: v.optional(wholeNumber(1), 128),
});

/** Said of a server that may come to listen anywhere. */
const NOT_LISTENING =
  'is missing, and nobody knows where `server` will listen; give one, or let it listen on a loopback address or a unix socket before the pool starts';

/** @throws InvalidOptionError naming the option */
export function checkServerPoolOptions(given: ServerPoolOptions) {
  const options = checkOptions(schema, given);
  if ((options.listen === undefined) === (options.server === undefined)) {
    throw new InvalidOptionError('listen', 'wants exactly one of listen and server');
  }
  const listen = options.server ?? listenOption('listen', options.listen as string | HostAddress);
  checkServerTls(options.tls);
  const judge = (token: TokensOption | undefined, reachable: boolean) => {
    if (!options.session) refuseToken(token);
    return checkTokens(token, options.session && reachable);
  };
  // Where a server of the caller's listens is looked at when the pool starts.
  const tokens = judge(options.token, 'host' in listen && isReachable(listen));
  const { onVisit } = options;
  return {
    ...options,
    onVisit,
    listen,
    /** Checks a token against where clients connect, as it is now. */
    checkToken(token: TokensOption | undefined) {
      if (options.session && token === undefined && 'listening' in listen && !listen.listening) {
        throw new InvalidOptionError('token', NOT_LISTENING);
      }
      return judge(token, isReachable(listen));
    },
    tokens,
    allow: new AddressRules({ allow: options.allow }),
  };
}

/** Whether others than this machine may connect. */
function isReachable(listen: HostAddress | Server): boolean {
  if ('host' in listen) return !isLoopback(listen.host);
  const address = listen.address();
  // A unix socket is this machine's, and who may use it is for its file to say.
  if (typeof address === 'string') return false;
  // Nobody knows where it will listen: anywhere.
  return address === null || !isLoopback(address.address);
}
