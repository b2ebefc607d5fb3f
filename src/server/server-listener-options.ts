import { Server } from 'node:net';
import * as v from 'valibot';
import type { Clock } from '../shared/clock.ts';
import { InvalidOptionError } from '../shared/errors.ts';
import { type HostAddress, isLoopback } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { AddressRules } from '../shared/net/address-rules.ts';
import { checkOptions, milliseconds, wholeNumber } from '../shared/options.ts';
import { poolOptionsSchema } from '../shared/pool/pool-options.ts';
import { checkTokens, refuseToken, type TokensOption } from '../shared/session/check-token.ts';
import { checkServerTls, type ServerTlsOptions } from '../shared/tls/modes.ts';
import type { IdFormat } from '../shared/wire/tag.ts';

/** Options of a `ServerListener`. One of `listen` and `server` is required. */
export interface ServerListenerOptions {
  /** Where clients connect: `host:port`; port 0 takes a free one. */
  readonly listen?: string | HostAddress;
  /**
   * Instead of `listen`: a server of yours, created with `allowHalfOpen`. You listen with it, and you close it. Without a
   * token it must listen on a loopback address or a unix socket before the pool starts, and go nowhere else.
   */
  readonly server?: Server;
  /** Lets other processes listen on the same port, where Node can (22.12 and later); the system spreads clients. */
  readonly reusePort?: boolean;
  /** Client addresses and CIDRs, IPv4 and IPv6; others are closed before TLS. Default: everyone. */
  readonly allow?: readonly string[];
  /** Default mode 1. */
  readonly tls?: ServerTlsOptions;
  /** `text8` (default), or `raw4` as NodePass 1.14 has it. */
  readonly idFormat?: IdFormat;
  /**
   * The secret that clients must prove; several are valid at once, with names, an end and tunnels of their own. Required
   * where others than this machine connect. Only with sessions.
   */
  readonly token?: TokensOption;
  /** From accept to pooled, ms. Default 5000. */
  readonly handshakeTimeoutMs?: number;
  /** The most connections that have proved nothing yet; beyond, the oldest goes. Default 512. */
  readonly maxHandshakes?: number;
  /** The same for one address. Default 128. */
  readonly maxHandshakesPerAddress?: number;
  /** TCP keep-alive of the connections, ms; 0 none. Default 30000. */
  readonly keepAliveMs?: number;
  readonly clock?: Clock;
  /** Random numbers from 0 up to but not including 1. */
  readonly random?: () => number;
}

/** The options that a pool may have in place of a listener of its own. */
export const listenerEntries = {
  listen: v.optional(
    v.union([v.string(), v.object({ host: v.string(), port: wholeNumber(0, 65535) })], 'wants host:port'),
  ),
  server: v.optional(v.instance(Server, 'wants a net.Server')),
  reusePort: v.optional(v.boolean('wants true or false'), false),
  allow: v.optional(v.array(v.string('wants texts'), 'wants a list'), []),
  tls: v.optional(
    v.custom<ServerTlsOptions>((value) => typeof value === 'object', 'wants an object'),
    { mode: 1 },
  ),
  idFormat: v.optional(v.picklist(['text8', 'raw4'], 'wants text8 or raw4'), 'text8'),
  // Checked by `checkTokens`, which quotes no secret.
  token: v.optional(v.custom<TokensOption>(() => true)),
  handshakeTimeoutMs: v.optional(milliseconds(1), 5000),
  maxHandshakes: v.optional(wholeNumber(1), 512),
  maxHandshakesPerAddress: v.optional(wholeNumber(1), 128),
  keepAliveMs: v.optional(
    v.union(
      [v.literal(0), v.pipe(milliseconds(1000), v.integer(), v.maxValue(3_600_000))],
      'wants 0, or 1000 to 3600000',
    ),
    30_000,
  ),
  clock: poolOptionsSchema.entries.clock,
  random: poolOptionsSchema.entries.random,
};

const schema = v.strictObject(listenerEntries);

/** Said of a server that may come to listen anywhere. */
const NOT_LISTENING =
  'is missing, and nobody knows where `server` will listen; give one, or let it listen on a loopback address or a unix socket before the pool starts';

/**
 * @param greets whether clients prove themselves; not on raw connections
 * @throws InvalidOptionError naming the option
 */
export function checkServerListenerOptions(given: ServerListenerOptions, greets: boolean) {
  const options = checkOptions(schema, given);
  if ((options.listen === undefined) === (options.server === undefined)) {
    throw new InvalidOptionError('listen', 'wants exactly one of listen and server');
  }
  const listen = options.server ?? listenOption('listen', options.listen as string | HostAddress);
  checkServerTls(options.tls);
  const judge = (token: TokensOption | undefined, reachable: boolean) => {
    if (!greets) refuseToken(token);
    return checkTokens(token, greets && reachable);
  };
  // Where a server of the caller's listens is looked at when the listener starts.
  const tokens = judge(options.token, 'host' in listen && isReachable(listen));
  return {
    ...options,
    listen,
    /** Checks a token against where clients connect, as it is now. */
    checkToken(token: TokensOption | undefined) {
      if (greets && token === undefined && 'listening' in listen && !listen.listening) {
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
