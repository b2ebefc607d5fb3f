/**
 * Every flag of `poold server` and `poold client`, one row each. The tables are exhaustive by type: a new library option
 * without a decision about its flag does not compile.
 */
import { availableParallelism } from 'node:os';
import type { ClientPoolOptions } from '../client/client-pool-options.ts';
import type { TunnelClientOptions } from '../client/tunnel-client.ts';
import type { ServerListenerOptions } from '../server/server-listener-options.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServerOptions } from '../server/tunnel-server.ts';
import { type AddressOptions, parseAddress } from '../shared/net/address.ts';
import { STRATEGIES } from '../shared/policy/strategy.ts';
import type { ClientTlsOptions, ServerTlsOptions } from '../shared/tls/modes.ts';
import { parseDuration, parseSize } from '../shared/units.ts';
import type { Flag } from './flag.ts';
import type { Patience } from './giving-up.ts';

/** The most processes that one command starts. */
const MAX_WORKERS = 128;

/** A flag for each option of `T`; null for those that have none. */
export type Table<T> = { readonly [K in keyof Required<T>]: Flag | null };

/** Reads a duration, ms. */
export const duration = (text: string): number => parseDuration(text);

/** Reads a size, bytes. */
export const size = (text: string): number => parseSize(text);

/** Reads a whole number. */
export function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new RangeError(`"${text}" is not a whole number`);
  return Number(text);
}

/** Reads the value of a switch. */
export function yesOrNo(text: string): boolean {
  if (text !== 'yes' && text !== 'no') throw new RangeError(`"${text}" is neither yes nor no`);
  return text === 'yes';
}

/** Reads an address. */
export function address(options: AddressOptions) {
  return (text: string) => parseAddress(text, options);
}

/** Reads a port that can be reached. */
function port(text: string): number {
  const number = count(text);
  if (number < 1 || number > 65_535) throw new RangeError(`"${text}" is no port; use a number from 1 to 65535`);
  return number;
}

export const TOKEN: Flag = {
  flags: '--token <secret>',
  help: 'the secret that both sides share; other users may see it in the process list, so prefer --token-file',
};
const TLS: Flag = {
  flags: '--tls <mode>',
  help: '0 none, 1 self-signed, 2 verified',
  default: '1',
  choices: ['0', '1', '2'],
  parse: Number,
};
/** With --publish: a part of the library's option. */
export const SHARE: Flag = {
  flags: '--share [yes|no]',
  help: 'with --publish: other clients of the same tunnel that say so, too, may serve the visitors of the port',
  default: 'no',
  alone: 'yes',
  parse: yesOrNo,
};
const TUNNEL: Flag = {
  flags: '--tunnel <name>',
  help: 'the name of the tunnel, the same on both sides',
  default: 'default',
};
const KEEP_ALIVE_TIMEOUT: Flag = {
  flags: '--keep-alive-timeout <duration>',
  help: 'how long the answer to a sign of life may take',
  default: '5s',
  parse: duration,
};
const HANDSHAKE_TIMEOUT: Flag = {
  flags: '--handshake-timeout <duration>',
  help: 'how long TLS and greeting may take',
  default: '5s',
  parse: duration,
};
const STALL_TIMEOUT: Flag = {
  flags: '--stall-timeout <duration>',
  help: 'a visit that is blocked and moves no byte for so long is reset; 0 never',
  default: '10m',
  parse: duration,
};

const CONNECT_TIMEOUT: Flag = {
  flags: '--connect-timeout <duration>',
  help: 'how long the target may take to accept; where the target is',
  default: '5s',
  parse: duration,
};
const WAIT: Flag = {
  flags: '--wait <duration>',
  help: 'how long a visitor waits for a connection before it is reset; where visitors come in',
  default: '5s',
  parse: duration,
};

const MAX_WAITING: Flag = {
  flags: '--max-waiting <n>',
  help: 'the most visitors that wait; where visitors come in',
  default: '4096',
  parse: count,
};

/** The two ways through a tunnel. */
export const FLOW: Flag = {
  flags: '--flow <flow>',
  help: 'reverse: visitors come to the server, the target is at the client; forward: the other way round',
  default: 'reverse',
  choices: ['reverse', 'forward'],
};

export const SERVER_POOL_FLAGS = {
  listen: {
    flags: '--listen <host:port>',
    help: 'where clients connect',
    parse: address({ allowPortZero: true }),
  },
  maxCapacity: { flags: '--max <n>', help: 'the most pooled connections', default: '4096', parse: count },
  allow: {
    flags: '--allow <address>',
    help: 'client addresses and CIDRs, separated by commas, or @file with one a line; may be repeated',
    default: 'everyone',
    repeatable: true,
    fromFiles: 'some',
  },
  keepAliveMs: {
    flags: '--keep-alive <duration>',
    help: 'how often idle connections are proved alive; 0 never',
    default: '30s',
    parse: duration,
  },
  keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT,
  stallTimeoutMs: STALL_TIMEOUT,
  token: TOKEN,
  tunnel: TUNNEL,
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT,
  maxHandshakes: { flags: '--max-handshakes <n>', help: 'the most unproved connections', default: '512', parse: count },
  maxHandshakesPerAddress: {
    flags: '--max-handshakes-per-address <n>',
    help: 'the most unproved connections from one address',
    default: '128',
    parse: count,
  },
  maxWaiting: MAX_WAITING,
  clientStrategy: {
    flags: '--client-strategy <name>',
    help: 'with --flow reverse: which of several clients of the tunnel gets the next visitor; failover: the one that came first',
    default: 'least-in-use',
    choices: STRATEGIES,
  },
  // The rows of --tls are below.
  tls: null,
  // --workers decides.
  reusePort: null,
  worker: null,
  workers: null,
  // --flow decides.
  opener: null,
  // The library's own.
  server: null,
  listener: null,
  onVisit: null,
  idFormat: null,
  session: null,
  name: null,
  acquireTimeoutMs: null,
  claimTimeoutMs: null,
  leakThresholdMs: null,
  pickGroup: null,
  clock: null,
  random: null,
} as const satisfies Table<ServerPoolOptions>;

/** Of those: what the tunnels of a server share. The rows of the token and of --tls stand elsewhere. */
export const LISTENER_FLAGS = {
  listen: SERVER_POOL_FLAGS.listen,
  allow: SERVER_POOL_FLAGS.allow,
  keepAliveMs: SERVER_POOL_FLAGS.keepAliveMs,
  handshakeTimeoutMs: SERVER_POOL_FLAGS.handshakeTimeoutMs,
  maxHandshakes: SERVER_POOL_FLAGS.maxHandshakes,
  maxHandshakesPerAddress: SERVER_POOL_FLAGS.maxHandshakesPerAddress,
} as const satisfies Partial<Table<ServerListenerOptions>>;

export const SERVER_TLS_FLAGS = {
  mode: TLS,
  cert: {
    flags: '--cert <file>',
    help: 'with --tls 2: the certificate and its chain, PEM; with --tls 1: in place of one made in memory',
  },
  key: { flags: '--key <file>', help: 'the private key of --cert, PEM' },
  clientCa: {
    flags: '--client-ca <file>',
    help: 'with --tls 2: only clients with a certificate of these authorities may connect, PEM',
  },
} as const satisfies Table<ServerTlsOptions>;

export const TUNNEL_SERVER_FLAGS = {
  public: {
    flags: '--public <host:port>',
    help: 'where visitors connect',
    parse: address({ allowPortZero: true }),
  },
  hosts: {
    flags: '--hosts <name>',
    help:
      'only visitors who ask for this host, by TLS (SNI) or HTTP: www.example.org, or *.example.org for all names under ' +
      'it; for several repeat it, separate them by commas, or name a file with one a line: @hosts.txt',
    default: 'every visitor',
    repeatable: true,
    fromFiles: 'some',
  },
  proxyFrom: {
    flags: '--proxy-from <address>',
    help:
      'connections from this address or CIDR are those of a proxy in front, and must begin with a PROXY protocol header ' +
      '(v1 or v2) that says who the visitor is; repeatable likewise',
    default: 'none',
    repeatable: true,
    fromFiles: 'some',
  },
  target: {
    flags: '--target <address>',
    help:
      'with --flow forward: the service that visitors of the clients reach: host:port, 3000 for a port of this machine, ' +
      'or unix:/path; for several repeat it, or separate them by commas (which no path may have)',
    repeatable: true,
  },
  connectTimeoutMs: CONNECT_TIMEOUT,
  waitMs: WAIT,
  // Also an option of the pool, where its row is.
  stallTimeoutMs: null,
  openTimeoutMs: null,
  // Their rows are in target-flags.ts, visitor-flags.ts and bandwidth-flags.ts.
  targets: null,
  visitors: null,
  bandwidth: null,
  // Their rows are in datagram-flags.ts.
  protocol: null,
  flowIdleTimeoutMs: null,
  maxFlows: null,
  maxFlowsPerAddress: null,
  // --workers decides.
  reusePort: null,
  passOn: null,
  pool: null,
  clock: null,
} as const satisfies Table<TunnelServerOptions>;

export const CLIENT_POOL_FLAGS = {
  dial: {
    flags: '--server <address>',
    help:
      'the poold server: host:port, or dns:host:port or srv:name for all that the name has in the DNS (looked up here, ' +
      'without the hosts file); several are separated by commas, or by repeating it',
    repeatable: true,
  },
  // Not read here: what the library says of a bad one shows no password.
  proxy: {
    flags: '--proxy <url>',
    help: 'the proxy on the way to the server: http://, https://, socks5:// or socks5h://[user:password@]host[:port]; with a password set POOLD_PROXY instead, for other users may see the process list',
  },
  publish: {
    flags: '--publish <port>',
    help: 'asks the server to open this public port for the tunnel; it must allow that (--publish-ports there)',
    parse: port,
  },
  minCapacity: { flags: '--min <n>', help: 'idle connections kept at least', default: '8', parse: count },
  maxCapacity: { flags: '--max <n>', help: 'the most connections', default: '1024', parse: count },
  minIntervalMs: {
    flags: '--min-interval <duration>',
    help: 'the shortest pause between two rounds of dialling',
    default: '100ms',
    parse: duration,
  },
  maxIntervalMs: {
    flags: '--max-interval <duration>',
    help: 'the longest pause between two rounds of dialling',
    default: '1s',
    parse: duration,
  },
  maxConnecting: { flags: '--max-connecting <n>', help: 'the most dials at once', default: '32', parse: count },
  keepAliveMs: {
    flags: '--keep-alive <duration>',
    help: 'an idle connection that is silent for so long is asked for a sign of life; 0 never',
    default: '30s',
    parse: duration,
  },
  keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT,
  stallTimeoutMs: STALL_TIMEOUT,
  token: TOKEN,
  tunnel: { ...TUNNEL, default: 'default; with --publish 8080: port-8080' },
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT,
  idleTimeoutMs: {
    flags: '--idle-timeout <duration>',
    help: 'a surplus connection that is idle for so long is closed; 0 never',
    default: '60s',
    parse: duration,
  },
  maxLifetimeMs: {
    flags: '--max-lifetime <duration>',
    help: 'an older connection is replaced; 0 never',
    default: '1h',
    parse: duration,
  },
  maxWaiting: MAX_WAITING,
  // The rows of --tls are below.
  tls: null,
  // --flow decides.
  opener: null,
  // The library's own.
  idFormat: null,
  session: null,
  onVisit: null,
  breaker: null,
  alone: null,
  sharedBy: null,
  name: null,
  acquireTimeoutMs: null,
  claimTimeoutMs: null,
  leakThresholdMs: null,
  clock: null,
  random: null,
} as const satisfies Table<ClientPoolOptions>;

export const CLIENT_TLS_FLAGS = {
  mode: TLS,
  ca: { flags: '--ca <file>', help: "with --tls 2: the authorities to trust instead of Node's own, PEM" },
  hostname: {
    flags: '--hostname <name>',
    help: 'the name that the certificate must have',
    default: "the server's host",
  },
  fingerprint: { flags: '--fingerprint <sha256>', help: 'the only certificate to accept, with --tls 1 or 2' },
  cert: {
    flags: '--cert <file>',
    help: 'with --tls 2: the certificate to show to a server that asks for one (--client-ca), with its chain, PEM',
  },
  key: { flags: '--key <file>', help: 'the private key of --cert, PEM' },
} as const satisfies Table<ClientTlsOptions>;

export const TUNNEL_CLIENT_FLAGS = {
  target: {
    flags: '--target <address>',
    help:
      'the service to expose: host:port, 3000 for a port of this machine, or unix:/path; for several repeat it, or ' +
      'separate them by commas (which no path may have)',
    repeatable: true,
  },
  serverStrategy: {
    flags: '--server-strategy <name>',
    help: 'with --flow forward: which of several servers gets the next visitor',
    default: 'round-robin',
    choices: STRATEGIES,
  },
  local: {
    flags: '--local <host:port>',
    help: 'with --flow forward: where visitors connect',
    parse: address({ allowPortZero: true, defaultHost: '127.0.0.1' }),
  },
  connectTimeoutMs: CONNECT_TIMEOUT,
  waitMs: WAIT,
  // Also an option of the pool, where its row is.
  stallTimeoutMs: null,
  openTimeoutMs: null,
  // Their rows are in target-flags.ts, visitor-flags.ts and bandwidth-flags.ts.
  targets: null,
  visitors: null,
  bandwidth: null,
  // The library's own.
  group: null,
  // Their rows are in datagram-flags.ts.
  protocol: null,
  flowIdleTimeoutMs: null,
  maxFlows: null,
  maxFlowsPerAddress: null,
  pool: null,
  clock: null,
} as const satisfies Table<TunnelClientOptions>;

/** What stands in a file alone: tokens with terms. Not a flag of any command. */
export const TOKENS: Flag = { flags: '--tokens', help: 'tokens with names, ends and tunnels of their own' };

/** Where the rest is read from. */
export const CONFIG: Flag = {
  flags: '-c, --config <file>',
  help: 'a file with options and tunnels by name, YAML; SIGHUP reads it again',
};

/** Flags of the command alone. */
export const COMMON_FLAGS = {
  tokenFile: {
    flags: '--token-file <file>',
    help: 'a file with the secret, readable by you alone; one a line: the server takes all of them, the client proves the first',
  },
  gracePeriod: {
    flags: '--grace-period <duration>',
    help: 'how long visits may go on after SIGTERM',
    default: '10s',
    parse: duration,
  },
  logLevel: {
    flags: '--log-level <level>',
    help: 'the least that is logged',
    default: 'info',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
  },
  logFormat: {
    flags: '--log-format <format>',
    help: 'how it is logged, to stderr',
    default: 'pretty on a terminal, else json',
    choices: ['pretty', 'json'],
  },
} as const satisfies Record<string, Flag>;

export const WORKERS: Flag = {
  flags: '--workers <n>',
  help: 'processes that serve, each with a pool of its own; auto: one for each core',
  default: '1',
  parse: (text) => {
    const workers = text === 'auto' ? Math.min(availableParallelism(), MAX_WORKERS) : count(text);
    if (workers < 1 || workers > MAX_WORKERS) throw new RangeError(`"${text}" is neither auto nor 1 to ${MAX_WORKERS}`);
    return workers;
  },
};

/** When a client stops trying. */
export const PATIENCE_FLAGS = {
  exitOnReject: {
    flags: '--exit-on-reject [yes|no]',
    help: 'end when the server refuses, even if it has let this client in before',
    default: 'no',
    alone: 'yes',
    parse: yesOrNo,
  },
  exitOnLoss: {
    flags: '--exit-on-loss [yes|no]',
    help: 'end with code 4 when the last connection to the server is lost, instead of dialling again',
    default: 'no',
    alone: 'yes',
    parse: yesOrNo,
  },
  maxRetryCount: {
    flags: '--max-retry-count <n>',
    help: 'end with code 4 when so many retries in a row have failed',
    default: 'never',
    parse: count,
  },
} as const satisfies Table<Patience>;
