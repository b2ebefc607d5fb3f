/** From flags and environment to the library's options. Knows files and secrets; prints nothing. */
import type { Command } from 'commander';
import type { TunnelClientOptions } from '../client/tunnel-client.ts';
import type { PublishOptions } from '../server/publish-options.ts';
import type { ServerListenerOptions } from '../server/server-listener-options.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServerOptions } from '../server/tunnel-server.ts';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { fileMaterial } from '../shared/tls/material.ts';
import type { TlsUse } from '../shared/tls/pem.ts';
import { BANDWIDTH_FLAGS } from './bandwidth-flags.ts';
import { DATAGRAM_FLAGS } from './datagram-flags.ts';
import { type Flag, nameOf, valueOf } from './flag.ts';
import {
  CLIENT_POOL_FLAGS,
  CLIENT_TLS_FLAGS,
  LISTENER_FLAGS,
  PATIENCE_FLAGS,
  SERVER_POOL_FLAGS,
  SERVER_TLS_FLAGS,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
  WORKERS,
} from './flags.ts';
import { flowOf } from './flow.ts';
import type { Patience } from './giving-up.ts';
import { publishOption, publishSettings } from './publish-flags.ts';
import { readText } from './read-text.ts';
import { passwordWarning, readTokens } from './secrets.ts';
import { TARGETS_FLAGS } from './target-flags.ts';
import { VISITORS_FLAGS } from './visitor-flags.ts';
import { canSharePort } from './workers/shared-port.ts';

/** What both commands have beside the library's options. */
export interface CommonSettings {
  readonly gracePeriodMs: number;
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json' | undefined;
}

/** What the operator should hear about the settings. */
interface Warned {
  readonly warnings: readonly string[];
}

/** What a server's tunnels share. */
export interface ServerSettings extends CommonSettings, Warned {
  /** Processes that serve. */
  readonly workers: number;
  readonly listener: ServerListenerOptions;
  /** Ports for clients that ask for one. */
  readonly publish: Omit<PublishOptions, 'listener'> | undefined;
}

/** One tunnel of a server. */
export interface ServerTunnel {
  readonly pool: Omit<ServerPoolOptions<true>, Exclude<keyof ServerListenerOptions, 'keepAliveMs'> | 'listener'>;
  readonly tunnel: Omit<TunnelServerOptions, 'pool' | 'public'> & { readonly public?: HostAddress };
  /** Whether other tunnels have visitors at its address, too. */
  readonly shares: boolean;
}

/** What a client's tunnels share. */
export interface ClientSettings extends CommonSettings, Patience {}

/** One tunnel of a client. */
export interface ClientTunnel extends Warned {
  readonly pool: TunnelClientOptions['pool'];
  readonly tunnel: Omit<TunnelClientOptions, 'pool'>;
}

type Values = Record<string, unknown>;

/** @throws ConfigError for a file that cannot be used, and when nothing says where clients connect */
export async function serverSettings(command: Command): Promise<ServerSettings> {
  const { tokens, warnings } = readTokens(command);
  const tls = pick(command, SERVER_TLS_FLAGS);
  wants(SERVER_POOL_FLAGS.listen, command, 'it says where clients connect');
  const listener = {
    ...pick(command, LISTENER_FLAGS),
    tls: {
      mode: 1,
      ...tls,
      ...(await readMaterial(tls, command, 'server')),
      ...readAuthorities(tls, 'clientCa', SERVER_TLS_FLAGS.clientCa, command),
    },
    ...(tokens === undefined ? {} : { token: tokens }),
  } as unknown as ServerListenerOptions;
  const workers = (valueOf(WORKERS, command) as number | undefined) ?? 1;
  // What is said of all tunnels is said of those that clients open, too.
  const pool = poolValues(command);
  const publish = publishSettings(command, pool, tunnelValues(command, TUNNEL_SERVER_FLAGS, pool));
  const heard = [...warnings, ...plainWarning(tls, tokens)];
  return { ...commonSettings(command), workers, listener, publish, warnings: heard };
}

/** @throws ConfigError for a file that cannot be used, or a flag that has no place in this flow */
export function serverTunnel(command: Command): ServerTunnel {
  const flow = flowOf(command);
  const pool = { ...poolValues(command), opener: flow === 'forward' ? 'client' : 'server' } as ServerTunnel['pool'];
  const tunnel = tunnelValues(command, TUNNEL_SERVER_FLAGS, pool) as unknown as ServerTunnel['tunnel'];
  const workers = (valueOf(WORKERS, command) as number | undefined) ?? 1;
  if (workers > 1) checkSharedPort(command, tunnel);
  return { pool, tunnel, shares: false };
}

/** The values of a server pool's flags, without those of its listener. */
function poolValues(command: Command): Partial<ServerTunnel['pool']> {
  const { keepAliveMs, ...mine } = SERVER_POOL_FLAGS;
  const listeners = Object.keys(LISTENER_FLAGS);
  const own = Object.entries(mine).filter(([option]) => option !== 'token' && !listeners.includes(option));
  return pick(command, { keepAliveMs, ...Object.fromEntries(own) });
}

export function clientSettings(command: Command): ClientSettings {
  const patience = {
    exitOnReject: false,
    exitOnLoss: false,
    maxRetryCount: undefined,
    ...pick(command, PATIENCE_FLAGS),
  };
  return { ...commonSettings(command), ...patience };
}

/** @throws ConfigError for a file that cannot be used, a flag that has no place in this flow, and when no server is named */
export async function clientTunnel(command: Command): Promise<ClientTunnel> {
  const { tokens, warnings } = readTokens(command);
  const tls = pick(command, CLIENT_TLS_FLAGS);
  flowOf(command);
  wants(CLIENT_POOL_FLAGS.dial, command, 'it names the poold server');
  const pool = {
    ...pick(command, { ...CLIENT_POOL_FLAGS, token: null, publish: null }),
    ...publishOption(command),
    tls: {
      mode: 1,
      ...tls,
      ...(await readMaterial(tls, command, 'client')),
      ...readAuthorities(tls, 'ca', CLIENT_TLS_FLAGS.ca, command),
    },
    // A file of a client has no list of them.
    ...(tokens === undefined ? {} : { token: tokens[0] }),
  } as unknown as ClientTunnel['pool'];
  const tunnel = tunnelValues(command, TUNNEL_CLIENT_FLAGS, pool) as unknown as ClientTunnel['tunnel'];
  return { pool, tunnel, warnings: [...warnings, ...plainWarning(tls, tokens), ...passwordWarning(command)] };
}

/** @throws ConfigError when nothing sets a flag that must be set */
export function wants(flag: Flag, command: Command, why: string): void {
  if (valueOf(flag, command) === undefined) throw new ConfigError(`${nameOf(flag, command)}: is missing; ${why}`);
}

/**
 * Visitors' datagrams need a port of which each process has a queue of its own: with a common one any process would read
 * any visitor's, and the target would see one visitor come from many ports.
 *
 * @throws ConfigError where there is none
 */
function checkSharedPort(command: Command, tunnel: ServerTunnel['tunnel']): void {
  if (tunnel.protocol !== 'udp' || tunnel.public === undefined || canSharePort(tunnel.public)) return;
  throw new ConfigError(
    `${nameOf(WORKERS, command)}: several processes take datagrams at one ${nameOf(TUNNEL_SERVER_FLAGS.public, command)} ` +
      'only with Node 22.12 or later, and at a port that is not 0; use --workers 1',
  );
}

/** The values of a tunnel's own flags, those about datagrams, targets and visitors, and of the one that it shares with its pool. */
function tunnelValues(
  command: Command,
  table: Readonly<Record<string, Flag | null>>,
  { stallTimeoutMs }: { readonly stallTimeoutMs?: number },
): Values {
  const targets = pick(command, TARGETS_FLAGS);
  const visitors = pick(command, VISITORS_FLAGS);
  const bandwidth = pick(command, BANDWIDTH_FLAGS);
  return {
    ...pick(command, table),
    ...pick(command, DATAGRAM_FLAGS),
    ...(Object.keys(targets).length === 0 ? {} : { targets }),
    ...(Object.keys(visitors).length === 0 ? {} : { visitors }),
    ...(Object.keys(bandwidth).length === 0 ? {} : { bandwidth }),
    ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
  };
}

/** The values of a table's flags that were given, by the library's names. */
export function pick(command: Command, table: Readonly<Record<string, Flag | null>>): Values {
  const values: Values = {};
  for (const [option, flag] of Object.entries(table)) {
    if (flag === null) continue;
    const value = valueOf(flag, command);
    if (value === undefined) continue;
    values[option] = flag.fromFiles === undefined ? value : withFiles(value as string[], flag, command);
  }
  return values;
}

/** The values, those of the files that some of them name (`@path`) in their place; a # begins a comment there. */
function withFiles(values: readonly string[], flag: Flag, command: Command): string[] {
  const name = nameOf(flag, command);
  const entries = values.flatMap((value) => {
    if (!value.startsWith('@')) return value;
    const lines = readText(value.slice(1), name).split('\n');
    return lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
  });
  // An empty list of who may come in would let everyone in.
  if (entries.length === 0 && flag.fromFiles === 'some') {
    throw new ConfigError(`${name}: ${values.join(', ')} names nobody; leave the flag out to let everyone in`);
  }
  return entries;
}

/** @returns what every command has that runs */
export function commonSettings(command: Command): CommonSettings {
  const {
    gracePeriod = 10_000,
    logLevel = 'info',
    logFormat,
  } = command.opts<{
    gracePeriod?: number;
    logLevel?: string;
    logFormat?: 'pretty' | 'json';
  }>();
  return { gracePeriodMs: gracePeriod, logLevel, logFormat };
}

function plainWarning(tls: Values, tokens: readonly unknown[] | undefined): string[] {
  if (tls['mode'] !== 0 || tokens === undefined) return [];
  return [
    'without TLS the token keeps strangers out, but whoever can read the wire reads everything; use --tls 1 or 2',
  ];
}

/** The files of a certificate. Where the mode has none, and when one is missing, the library says what is wrong. */
async function readMaterial(tls: Values, command: Command, use: TlsUse): Promise<Values | undefined> {
  const { mode = 1, cert, key } = tls as { mode?: number; cert?: string; key?: string };
  const fits = use === 'server' ? mode !== 0 : mode === 2;
  if (!fits || cert === undefined || key === undefined) return undefined;
  try {
    const material = await fileMaterial(cert, key, use);
    return { cert: material.cert, key: material.key };
  } catch (cause) {
    const flags = use === 'server' ? SERVER_TLS_FLAGS : CLIENT_TLS_FLAGS;
    const names = [flags.cert, flags.key].map((flag) => nameOf(flag, command));
    throw new ConfigError(`${names.join(' and ')}: ${reasonOf(cause)}`, { cause });
  }
}

/** The file of the authorities to trust, in place of its name. */
function readAuthorities(tls: Values, option: string, flag: Flag, command: Command): Values {
  const path = tls[option];
  return typeof path === 'string' ? { [option]: readText(path, nameOf(flag, command)) } : {};
}
