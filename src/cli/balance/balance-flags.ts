/** The flags of `poold balance`, one row for each option of the library. */
import type { BalancerHealthOptions, HttpBalancerOptions } from '../../balancer/balancer-options.ts';
import { STRATEGIES } from '../../shared/policy/strategy.ts';
import type { Flag } from '../flag.ts';
import { address, CONFIG, count, duration, size, type Table } from '../flags.ts';

/** Of its own: what stands in the file are options alone. */
export const BALANCE_CONFIG: Flag = { ...CONFIG, help: 'a file with the options, YAML; SIGHUP reads it again' };

export const BALANCE_FLAGS = {
  listen: {
    flags: '--listen <host:port>',
    alias: 'port',
    help: 'where clients connect; 8080 for a port that this machine alone reaches',
    parse: address({ allowPortZero: true, defaultHost: '127.0.0.1' }),
  },
  // Not read here: the library says of each what is wrong with it.
  servers: {
    flags: '--server <address>',
    alias: 'servers',
    help:
      'an HTTP server behind it: http://host:port, host:port, 3000 for a port of this machine, or unix:/path; for several ' +
      'repeat it, or separate them by commas',
    repeatable: true,
  },
  strategy: {
    flags: '--strategy <name>',
    help: 'which server gets the next request: each in turn, the one with least requests, or the first that is up',
    default: 'round-robin',
    choices: STRATEGIES,
  },
  maxConnections: {
    flags: '--max-connections <n>',
    help: 'the most requests, and connections, at each server; WebSockets count, too',
    default: '256',
    parse: count,
  },
  maxWaiting: {
    flags: '--max-waiting <n>',
    help: 'the most requests that wait because all servers have as many as they may',
    default: '4096',
    parse: count,
  },
  waitMs: {
    flags: '--wait <duration>',
    help: 'how long one waits for that before it is answered with 503',
    default: '5s',
    parse: duration,
  },
  connectTimeoutMs: {
    flags: '--connect-timeout <duration>',
    help: 'how long a server may take to accept a connection',
    default: '5s',
    parse: duration,
  },
  timeoutMs: {
    flags: '--timeout <duration>',
    help: 'how long a server may be silent before its answer and within it, and a client within a request or an answer',
    default: '60s',
    parse: duration,
  },
  retries: {
    flags: '--retries <n>',
    help: 'how often a request is tried again at another server, as far as that is safe',
    default: '2',
    parse: count,
  },
  bodyLimitBytes: {
    flags: '--body-limit <size>',
    help: 'the longest body of a request; 0 does not limit it',
    default: '0',
    parse: size,
  },
  headerTimeoutMs: {
    flags: '--header-timeout <duration>',
    help: 'how long a client may take to send the head of a request',
    default: '10s',
    parse: duration,
  },
  maxHeaderBytes: {
    flags: '--max-header <size>',
    help: 'the longest head of a request and of an answer',
    default: '16KiB',
    parse: size,
  },
  idleTimeoutMs: {
    flags: '--idle-timeout <duration>',
    help: "how long a client's connection is kept between two requests",
    default: '60s',
    parse: duration,
  },
  trustedProxies: {
    flags: '--trusted-proxy <address>',
    help: 'the X-Forwarded-For, -Proto and -Host of a proxy in front with this address or CIDR are believed; repeatable',
    default: 'none',
    repeatable: true,
    fromFiles: 'some',
  },
  // Their rows are below, and in visitor-flags.ts.
  health: null,
  visitors: null,
  // The library's own.
  clock: null,
  random: null,
} as const satisfies Table<HttpBalancerOptions>;

export const HEALTH_FLAGS = {
  path: {
    flags: '--health-path <path>',
    help: 'servers are checked by a GET of this path that wants 2xx or 3xx',
    default: 'a connect is enough',
  },
  intervalMs: {
    flags: '--health-interval <duration>',
    help: 'from one check to the next; up to a fifth less',
    default: '5s',
    parse: duration,
  },
  timeoutMs: {
    flags: '--health-timeout <duration>',
    help: 'how long a check may take',
    default: '2s',
    parse: duration,
  },
  rise: {
    flags: '--health-rise <n>',
    help: 'checks in a row that must pass for a server that is down to be up again',
    default: '2',
    parse: count,
  },
  fall: {
    flags: '--health-fall <n>',
    help: 'checks in a row that must fail for a server to be down; a failed connect of a request counts as one',
    default: '3',
    parse: count,
  },
} as const satisfies Table<BalancerHealthOptions>;
