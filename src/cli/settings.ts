/** From flags and environment to the library's options. Knows files and secrets; prints nothing. */
import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { ClientPoolOptions } from '../client/client-pool-options.ts';
import type { TunnelClientOptions } from '../client/tunnel-client.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServerOptions } from '../server/tunnel-server.ts';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import { fileMaterial } from '../shared/tls/material.ts';
import type { TlsUse } from '../shared/tls/pem.ts';
import { BANDWIDTH_FLAGS } from './bandwidth-flags.ts';
import { DATAGRAM_FLAGS } from './datagram-flags.ts';
import { type Flag, isTyped, nameOf, valueOf } from './flag.ts';
import {
  CLIENT_POOL_FLAGS,
  CLIENT_TLS_FLAGS,
  COMMON_FLAGS,
  PATIENCE_FLAGS,
  SERVER_POOL_FLAGS,
  SERVER_TLS_FLAGS,
  TOKEN,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
  WORKERS,
} from './flags.ts';
import { flowOf } from './flow.ts';
import type { Patience } from './giving-up.ts';
import { TARGETS_FLAGS } from './target-flags.ts';
import { VISITORS_FLAGS } from './visitor-flags.ts';
import { canSharePort } from './workers/shared-port.ts';

/** What both commands have beside the library's options. */
interface CommonSettings {
  readonly gracePeriodMs: number;
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json' | undefined;
  /** Whether a secret, the token or a proxy's password, stands on the command line, where others may see it. */
  readonly secretOnCommandLine: boolean;
  /** What the operator should hear about the settings. */
  readonly warnings: readonly string[];
}

export interface ServerSettings extends CommonSettings {
  /** Processes that serve. */
  readonly workers: number;
  readonly pool: ServerPoolOptions<true>;
  readonly tunnel: Omit<TunnelServerOptions, 'pool'>;
}

export interface ClientSettings extends CommonSettings, Patience {
  readonly pool: TunnelClientOptions['pool'];
  readonly tunnel: Omit<TunnelClientOptions, 'pool'>;
}

type Values = Record<string, unknown>;

/** @throws ConfigError for a file that cannot be used */
export async function serverSettings(command: Command): Promise<ServerSettings> {
  const { tokens, ...common } = commonSettings(command);
  const tls = pick(command, SERVER_TLS_FLAGS);
  const flow = flowOf(command);
  const pool = {
    ...pick(command, SERVER_POOL_FLAGS),
    opener: flow === 'forward' ? 'client' : 'server',
    tls: {
      mode: 1,
      ...tls,
      ...(await readMaterial(tls, command, 'server')),
      ...readAuthorities(tls, 'clientCa', SERVER_TLS_FLAGS.clientCa, command),
    },
    ...(tokens === undefined ? {} : { token: tokens }),
  } as unknown as ServerPoolOptions<true>;
  const tunnel = tunnelValues(command, TUNNEL_SERVER_FLAGS, pool) as unknown as ServerSettings['tunnel'];
  const workers = (valueOf(WORKERS, command) as number | undefined) ?? 1;
  if (workers > 1) checkSharedPort(command, tunnel);
  return { ...common, workers, pool, tunnel, warnings: [...common.warnings, ...plainWarning(tls, tokens)] };
}

/** @throws ConfigError for a file that cannot be used */
export async function clientSettings(command: Command): Promise<ClientSettings> {
  const { tokens, ...common } = commonSettings(command);
  const tls = pick(command, CLIENT_TLS_FLAGS);
  flowOf(command);
  const pool = {
    ...pick(command, CLIENT_POOL_FLAGS),
    tls: {
      mode: 1,
      ...tls,
      ...(await readMaterial(tls, command, 'client')),
      ...readAuthorities(tls, 'ca', CLIENT_TLS_FLAGS.ca, command),
    },
    ...(tokens === undefined ? {} : { token: tokens[0] }),
  } as unknown as ClientPoolOptions<true>;
  const tunnel = tunnelValues(command, TUNNEL_CLIENT_FLAGS, pool) as unknown as ClientSettings['tunnel'];
  const patience = {
    exitOnReject: false,
    exitOnLoss: false,
    maxRetryCount: undefined,
    ...pick(command, PATIENCE_FLAGS),
  };
  const secretOnCommandLine = common.secretOnCommandLine || isPasswordTyped(command);
  const warnings = [...common.warnings, ...plainWarning(tls, tokens), ...passwordWarning(command)];
  return { ...common, ...patience, pool, tunnel, secretOnCommandLine, warnings };
}

/**
 * Visitors' datagrams need a port of which each process has a queue of its own: with a common one any process would read
 * any visitor's, and the target would see one visitor come from many ports.
 *
 * @throws ConfigError where there is none
 */
function checkSharedPort(command: Command, tunnel: ServerSettings['tunnel']): void {
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
function pick(command: Command, table: Readonly<Record<string, Flag | null>>): Values {
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

function commonSettings(command: Command): CommonSettings & { tokens: string[] | undefined } {
  const { tokens, warnings } = readTokens(command);
  const {
    gracePeriod = 10_000,
    logLevel = 'info',
    logFormat,
  } = command.opts<{
    gracePeriod?: number;
    logLevel?: string;
    logFormat?: 'pretty' | 'json';
  }>();
  const secretOnCommandLine = isTyped(TOKEN, command);
  return { gracePeriodMs: gracePeriod, logLevel, logFormat, secretOnCommandLine, tokens, warnings };
}

/**
 * The flag whose token counts: one on the command line wins over one in the environment.
 *
 * @throws ConfigError when two of the same rank are given
 */
export function tokenFlag(command: Command): Flag | undefined {
  const given = [TOKEN, COMMON_FLAGS.tokenFile].filter((flag) => valueOf(flag, command) !== undefined);
  if (given.length < 2) return given[0];
  const typed = given.filter((flag) => isTyped(flag, command));
  if (typed.length === 1) return typed[0];
  throw new ConfigError(`${given.map((flag) => nameOf(flag, command)).join(' and ')}: give one of them`);
}

function readTokens(command: Command): { tokens: string[] | undefined; warnings: string[] } {
  const token = valueOf(TOKEN, command) as string | undefined;
  // Also when a file is given: an empty secret is a mistake that nobody wants to find out later.
  if (token?.trim() === '') {
    throw new ConfigError(`${nameOf(TOKEN, command)}: is empty; leave it out, or make one with \`poold token\``);
  }
  const flag = tokenFlag(command);
  if (flag === undefined) return { tokens: undefined, warnings: [] };
  if (flag !== TOKEN) return readTokenFile(valueOf(flag, command) as string, nameOf(flag, command));
  const hint = 'the token stands on the command line, where other users may see it; use --token-file';
  return { tokens: [token as string], warnings: isTyped(TOKEN, command) ? [hint] : [] };
}

/** The tokens of a file, one a line. @throws ConfigError when it cannot be used */
export function readTokenFile(path: string, name: string): { tokens: string[]; warnings: string[] } {
  const tokens = readText(path, name)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (tokens.length === 0) {
    throw new ConfigError(`${name}: ${path} is empty; make a token with \`poold token > ${path}\``);
  }
  const shared = (statSync(path).mode & 0o077) !== 0;
  const warning = `${path} can be read by other users; \`chmod 600 ${path}\` keeps them out`;
  return { tokens, warnings: shared ? [warning] : [] };
}

/** Whether a proxy's user or password stands on the command line. */
function isPasswordTyped(command: Command): boolean {
  const { proxy } = CLIENT_POOL_FLAGS;
  return isTyped(proxy, command) && (valueOf(proxy, command) as string).includes('@');
}

function passwordWarning(command: Command): string[] {
  if (!isPasswordTyped(command)) return [];
  return ["the proxy's password stands on the command line, where other users may see it; set POOLD_PROXY instead"];
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${name}: ${path} cannot be read (${reasonOf(cause)})`, { cause });
  }
}

function plainWarning(tls: Values, tokens: string[] | undefined): string[] {
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
