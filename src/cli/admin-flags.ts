/** The flags about the admin address, which both commands have. */
import type { Command } from 'commander';
import { ConfigError } from '../shared/errors.ts';
import { formatAddress, type HostAddress, isLoopback, parseAddress } from '../shared/net/address.ts';
import { type Flag, nameOf, valueOf } from './flag.ts';
import { readTokenFile } from './secrets.ts';

/** Where the admin address is, and who may use it. */
export interface AdminSettings {
  readonly listen: HostAddress;
  /** Names by which a browser may call it, besides the address itself and localhost. */
  readonly hosts: readonly string[];
  /** One of them is asked for, where there are any. */
  readonly tokens: readonly string[];
  /** What the operator should hear about them. */
  readonly warnings: readonly string[];
}

/** The shortest token that guards an address which others reach, characters. */
const MIN_TOKEN_LENGTH = 16;

function tcpAddress(text: string): HostAddress {
  const address = parseAddress(text, { allowPortZero: true, defaultHost: '127.0.0.1' });
  if ('path' in address) throw new RangeError('a browser reaches no unix socket; write host:port');
  return address;
}

export const ADMIN_FLAGS = {
  admin: {
    flags: '--admin <host:port>',
    help: 'where metrics, health, status and the dashboard are served; see docs/operations.md',
    default: 'nowhere',
    parse: tcpAddress,
  },
  adminHost: {
    flags: '--admin-host <name>',
    help: 'a name by which browsers may call the admin address, besides localhost and itself; may be repeated',
    repeatable: true,
  },
  adminTokenFile: {
    flags: '--admin-token-file <file>',
    help: 'a file with the secret that the admin address asks for; required where it is not a loopback one',
  },
} as const satisfies Record<string, Flag>;

/**
 * What the flags say; undefined without `--admin`.
 *
 * @throws ConfigError when others could reach the address unasked, or for a file that cannot be used
 */
export function adminSettings(command: Command): AdminSettings | undefined {
  const listen = valueOf(ADMIN_FLAGS.admin, command) as HostAddress | undefined;
  const hosts = (valueOf(ADMIN_FLAGS.adminHost, command) as string[] | undefined) ?? [];
  const file = valueOf(ADMIN_FLAGS.adminTokenFile, command) as string | undefined;
  const name = (flag: Flag): string => nameOf(flag, command);
  if (listen === undefined) {
    const idle = [ADMIN_FLAGS.adminHost, ADMIN_FLAGS.adminTokenFile].find(
      (flag) => valueOf(flag, command) !== undefined,
    );
    if (idle === undefined) return undefined;
    throw new ConfigError(`${name(idle)}: has no effect without ${name(ADMIN_FLAGS.admin)}`);
  }
  const { tokens, warnings } = adminTokens(file, name(ADMIN_FLAGS.adminTokenFile));
  if (isLoopback(listen.host)) return { listen, hosts, tokens, warnings };
  const where = formatAddress(listen);
  if (file === undefined) {
    throw new ConfigError(
      `${name(ADMIN_FLAGS.admin)}: others reach ${where}; add ${name(ADMIN_FLAGS.adminTokenFile)}, or listen on 127.0.0.1`,
    );
  }
  if (tokens.some((token) => token.length < MIN_TOKEN_LENGTH)) {
    throw new ConfigError(
      `${name(ADMIN_FLAGS.adminTokenFile)}: wants at least ${MIN_TOKEN_LENGTH} characters where others reach the address; make one with \`poold token\``,
    );
  }
  const plain = `${where} speaks plain HTTP: whoever can read the wire reads the admin token; put it behind TLS or a tunnel`;
  return { listen, hosts, tokens, warnings: [...warnings, plain] };
}

/** The tokens of a file, if one is given. @throws ConfigError when it cannot be used */
export function adminTokens(
  file: string | undefined,
  name: string,
): { readonly tokens: readonly string[]; readonly warnings: readonly string[] } {
  return file === undefined ? { tokens: [], warnings: [] } : readTokenFile(file, name);
}
