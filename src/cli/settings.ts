/** From flags and environment to the library's options. Knows files and secrets; prints nothing. */
import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { ClientPoolOptions } from '../client/client-pool-options.ts';
import type { TunnelClientOptions } from '../client/tunnel-client.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServerOptions } from '../server/tunnel-server.ts';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import { fileMaterial } from '../shared/tls/material.ts';
import {
  CLIENT_POOL_FLAGS,
  CLIENT_TLS_FLAGS,
  type Flag,
  longName,
  SERVER_POOL_FLAGS,
  SERVER_TLS_FLAGS,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
} from './flags.ts';

/** What both commands have beside the library's options. */
interface CommonSettings {
  readonly gracePeriodMs: number;
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json' | undefined;
  /** Whether the token stands on the command line, where others may see it. */
  readonly tokenOnCommandLine: boolean;
  /** What the operator should hear about the settings. */
  readonly warnings: readonly string[];
}

export interface ServerSettings extends CommonSettings {
  readonly pool: ServerPoolOptions<true>;
  readonly tunnel: Omit<TunnelServerOptions, 'pool'>;
}

export interface ClientSettings extends CommonSettings {
  readonly pool: TunnelClientOptions['pool'];
  readonly tunnel: Omit<TunnelClientOptions, 'pool'>;
  readonly exitOnReject: boolean;
}

type Values = Record<string, unknown>;

/** @throws ConfigError for a file that cannot be used */
export async function serverSettings(command: Command): Promise<ServerSettings> {
  const { tokens, ...common } = commonSettings(command);
  const tls = pick(command, SERVER_TLS_FLAGS);
  const { cert, key } = tls as { cert?: string; key?: string };
  const material = cert !== undefined && key !== undefined ? await fileMaterial(cert, key) : {};
  const pool = {
    ...pick(command, SERVER_POOL_FLAGS),
    tls: { mode: 1, ...tls, ...withoutFingerprint(material) },
    ...(tokens === undefined ? {} : { token: tokens }),
  } as unknown as ServerPoolOptions<true>;
  const tunnel = pick(command, TUNNEL_SERVER_FLAGS) as unknown as ServerSettings['tunnel'];
  return { ...common, pool, tunnel, warnings: [...common.warnings, ...plainWarning(tls, tokens)] };
}

/** @throws ConfigError for a file that cannot be used */
export function clientSettings(command: Command): ClientSettings {
  const { tokens, ...common } = commonSettings(command);
  const tls = pick(command, CLIENT_TLS_FLAGS);
  const ca = typeof tls['ca'] === 'string' ? { ca: readText(tls['ca'], '--ca') } : {};
  const pool = {
    ...pick(command, CLIENT_POOL_FLAGS),
    tls: { mode: 1, ...tls, ...ca },
    ...(tokens === undefined ? {} : { token: tokens[0] }),
  } as unknown as ClientPoolOptions<true>;
  const { stallTimeoutMs } = pool;
  const tunnel = {
    ...pick(command, TUNNEL_CLIENT_FLAGS),
    ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
  } as unknown as ClientSettings['tunnel'];
  const exitOnReject = command.getOptionValue('exitOnReject') === true;
  return { ...common, pool, tunnel, exitOnReject, warnings: [...common.warnings, ...plainWarning(tls, tokens)] };
}

/** The flag that fills an option of the library, for errors: `maxCapacity` → `--max`. */
export function flagOf(option: string, side: 'server' | 'client'): string | undefined {
  const [head = '', tail] = option.split('.');
  const tables: readonly Readonly<Record<string, Flag | null>>[] =
    side === 'server' ? [SERVER_POOL_FLAGS, TUNNEL_SERVER_FLAGS] : [CLIENT_POOL_FLAGS, TUNNEL_CLIENT_FLAGS];
  const tls: Readonly<Record<string, Flag | null>> = side === 'server' ? SERVER_TLS_FLAGS : CLIENT_TLS_FLAGS;
  const flag = head === 'tls' ? tls[tail ?? ''] : tables.map((table) => table[head]).find((row) => row !== undefined);
  return flag === undefined || flag === null ? undefined : longName(flag);
}

/** The values of a table's flags that were given, by the library's names. */
function pick(command: Command, table: Readonly<Record<string, Flag | null>>): Values {
  const values: Values = {};
  for (const [option, flag] of Object.entries(table)) {
    if (flag === null) continue;
    const value: unknown = command.getOptionValue(attributeOf(flag));
    if (value !== undefined) values[option] = value;
  }
  return values;
}

/** commander's name for a flag's value: `--keep-alive` → `keepAlive`. */
function attributeOf(flag: Flag): string {
  return longName(flag)
    .slice(2)
    .replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
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
  const tokenOnCommandLine = command.getOptionValueSource('token') === 'cli';
  return { gracePeriodMs: gracePeriod, logLevel, logFormat, tokenOnCommandLine, tokens, warnings };
}

/** The flag wins over the environment; two ways of the same rank are one too many. */
function readTokens(command: Command): { tokens: string[] | undefined; warnings: string[] } {
  const { token, tokenFile } = command.opts<{ token?: string; tokenFile?: string }>();
  const sources = [command.getOptionValueSource('token'), command.getOptionValueSource('tokenFile')];
  if (token !== undefined && tokenFile !== undefined && sources[0] === sources[1]) {
    throw new ConfigError('--token and --token-file: give one of them');
  }
  if (tokenFile === undefined || (token !== undefined && sources[0] === 'cli')) {
    if (token === undefined) return { tokens: undefined, warnings: [] };
    if (token.trim() === '') throw new ConfigError('--token: is empty; leave it out, or make one with `poold token`');
    const hint = 'the token stands on the command line, where other users may see it; use --token-file';
    return { tokens: [token], warnings: sources[0] === 'cli' ? [hint] : [] };
  }
  const lines = readText(tokenFile, '--token-file')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines.length === 0) {
    throw new ConfigError(`--token-file: ${tokenFile} is empty; make a token with \`poold token > ${tokenFile}\``);
  }
  const shared = (statSync(tokenFile).mode & 0o077) !== 0;
  const warning = `${tokenFile} can be read by other users; \`chmod 600 ${tokenFile}\` keeps them out`;
  return { tokens: lines, warnings: shared ? [warning] : [] };
}

function readText(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${flag}: ${path} cannot be read (${reasonOf(cause)})`, { cause });
  }
}

function plainWarning(tls: Values, tokens: string[] | undefined): string[] {
  if (tls['mode'] !== 0 || tokens === undefined) return [];
  return [
    'without TLS the token keeps strangers out, but whoever can read the wire reads everything; use --tls 1 or 2',
  ];
}

function withoutFingerprint(material: { cert?: string; key?: string }): { cert?: string; key?: string } {
  const { cert, key } = material;
  return { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
}
