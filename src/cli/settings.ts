/** From flags and environment to the library's options. Knows files and secrets; prints nothing. */
import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { ClientPoolOptions } from '../client/client-pool-options.ts';
import type { TunnelClientOptions } from '../client/tunnel-client.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServerOptions } from '../server/tunnel-server.ts';
import { ConfigError, reasonOf } from '../shared/errors.ts';
import { fileMaterial } from '../shared/tls/material.ts';
import type { Patience } from './giving-up.ts';
import { attributeOf, type Flag, nameOf } from './flag.ts';
import {
  CLIENT_POOL_FLAGS,
  CLIENT_TLS_FLAGS,
  COMMON_FLAGS,
  FLOW,
  PATIENCE_FLAGS,
  SERVER_POOL_FLAGS,
  SERVER_TLS_FLAGS,
  TOKEN,
  TUNNEL_CLIENT_FLAGS,
  TUNNEL_SERVER_FLAGS,
  WORKERS,
} from './flags.ts';
import { TARGETS_FLAGS } from './target-flags.ts';

/** What both commands have beside the library's options. */
interface CommonSettings {
  readonly gracePeriodMs: number;
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json' | undefined;
  /** Whether a secret, the token or a proxy's password, stands on the command line, where others may see it. */
  readonly tokenOnCommandLine: boolean;
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
  const forward = isForward(command, TUNNEL_SERVER_FLAGS.public, TUNNEL_SERVER_FLAGS.target);
  const pool = {
    ...pick(command, SERVER_POOL_FLAGS),
    opener: forward ? 'client' : 'server',
    tls: { mode: 1, ...tls, ...(await readMaterial(tls, command)) },
    ...(tokens === undefined ? {} : { token: tokens }),
  } as unknown as ServerPoolOptions<true>;
  const tunnel = tunnelValues(command, TUNNEL_SERVER_FLAGS, pool) as unknown as ServerSettings['tunnel'];
  const workers = (valueOf(WORKERS, command) as number | undefined) ?? 1;
  return { ...common, workers, pool, tunnel, warnings: [...common.warnings, ...plainWarning(tls, tokens)] };
}

/** @throws ConfigError for a file that cannot be used */
export function clientSettings(command: Command): ClientSettings {
  const { tokens, ...common } = commonSettings(command);
  const tls = pick(command, CLIENT_TLS_FLAGS);
  isForward(command, TUNNEL_CLIENT_FLAGS.target, TUNNEL_CLIENT_FLAGS.local);
  const ca = typeof tls['ca'] === 'string' ? { ca: readText(tls['ca'], nameOf(CLIENT_TLS_FLAGS.ca, command)) } : {};
  const pool = {
    ...pick(command, CLIENT_POOL_FLAGS),
    tls: { mode: 1, ...tls, ...ca },
    ...(tokens === undefined ? {} : { token: tokens[0] }),
  } as unknown as ClientPoolOptions<true>;
  const tunnel = tunnelValues(command, TUNNEL_CLIENT_FLAGS, pool) as unknown as ClientSettings['tunnel'];
  const patience = {
    exitOnReject: false,
    exitOnLoss: false,
    maxRetryCount: undefined,
    ...pick(command, PATIENCE_FLAGS),
  };
  const tokenOnCommandLine = common.tokenOnCommandLine || isPasswordTyped(command);
  const warnings = [...common.warnings, ...plainWarning(tls, tokens), ...passwordWarning(command)];
  return { ...common, ...patience, pool, tunnel, tokenOnCommandLine, warnings };
}

/**
 * Whether visitors come in at the client.
 *
 * @param reverse the flag that a reverse tunnel must have, and a forward one may not; `forward` the other way round
 * @throws ConfigError when they do not suit the flow
 */
function isForward(command: Command, reverse: Flag, forward: Flag): boolean {
  const flow = (valueOf(FLOW, command) as string | undefined) ?? 'reverse';
  const [wanted, unwanted] = flow === 'forward' ? [forward, reverse] : [reverse, forward];
  if (valueOf(unwanted, command) !== undefined) {
    throw new ConfigError(`${nameOf(unwanted, command)}: has no place in a ${flow} tunnel; see --flow`);
  }
  if (valueOf(wanted, command) === undefined) {
    throw new ConfigError(`${nameOf(wanted, command)}: is missing; a ${flow} tunnel wants it, see --flow`);
  }
  return flow === 'forward';
}

/** The values of a tunnel's own flags, those about its targets, and of the one that it shares with its pool. */
function tunnelValues(
  command: Command,
  table: Readonly<Record<string, Flag | null>>,
  { stallTimeoutMs }: { readonly stallTimeoutMs?: number },
): Values {
  const targets = pick(command, TARGETS_FLAGS);
  return {
    ...pick(command, table),
    ...(Object.keys(targets).length === 0 ? {} : { targets }),
    ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
  };
}

/** The values of a table's flags that were given, by the library's names. */
function pick(command: Command, table: Readonly<Record<string, Flag | null>>): Values {
  const values: Values = {};
  for (const [option, flag] of Object.entries(table)) {
    if (flag === null) continue;
    const value = valueOf(flag, command);
    if (value !== undefined) values[option] = value;
  }
  return values;
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
  const tokenOnCommandLine = isTyped(TOKEN, command);
  return { gracePeriodMs: gracePeriod, logLevel, logFormat, tokenOnCommandLine, tokens, warnings };
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

/** What a flag, or its variable, was given as. */
export function valueOf(flag: Flag, command: Command): unknown {
  return command.getOptionValue(attributeOf(flag));
}

/** Whether the flag stands on the command line. */
function isTyped(flag: Flag, command: Command): boolean {
  return command.getOptionValueSource(attributeOf(flag)) === 'cli';
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

/** The files of a certificate. In mode 0, and when one is missing, the library says what is wrong. */
async function readMaterial(tls: Values, command: Command): Promise<{ cert: string; key: string } | undefined> {
  const { mode, cert, key } = tls as { mode?: number; cert?: string; key?: string };
  if (mode === 0 || cert === undefined || key === undefined) return undefined;
  try {
    const material = await fileMaterial(cert, key);
    return { cert: material.cert, key: material.key };
  } catch (cause) {
    const names = [SERVER_TLS_FLAGS.cert, SERVER_TLS_FLAGS.key].map((flag) => nameOf(flag, command));
    throw new ConfigError(`${names.join(' and ')}: ${reasonOf(cause)}`, { cause });
  }
}
