/** The flags about public ports that clients ask for. The client's row of --publish is in flags.ts. */
import type { Command } from 'commander';
import type { ClientPoolOptions } from '../client/client-pool-options.ts';
import { type PublishOptions, publishPoolOptions, publishTunnelOptions } from '../server/publish-options.ts';
import type { ServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServerOptions } from '../server/tunnel-server.ts';
import { ConfigError } from '../shared/errors.ts';
import { type Flag, isMeant, nameOf, valueOf } from './flag.ts';
import { CLIENT_POOL_FLAGS, count, duration, SHARE, type Table, WORKERS } from './flags.ts';

export const PUBLISH_FLAGS = {
  ports: {
    flags: '--publish-ports <range>',
    help: 'public ports that clients may have opened (poold client --publish): 8000-8999, 9443; for several repeat it, or separate them by commas',
    default: 'none',
    repeatable: true,
  },
  host: {
    flags: '--publish-host <host>',
    help: 'with --publish-ports: the address at which these ports listen; 0.0.0.0 for all of the machine',
  },
  lingerMs: {
    flags: '--publish-linger <duration>',
    help: 'with --publish-ports: how long a port stays open when its last client has gone',
    default: '10s',
    parse: duration,
  },
  maxPerToken: {
    flags: '--publish-max <n>',
    help: 'with --publish-ports: the most ports at a time for the clients of one token',
    default: '64',
    parse: count,
  },
  // What the flags of pools and tunnels say holds for published ones, too.
  pool: null,
  tunnel: null,
  // The library's own.
  listener: null,
  clock: null,
} as const satisfies Table<PublishOptions>;

/** Whether the server opens ports for clients, and so needs no tunnel of its own. */
function opensPorts(command: Command): boolean {
  return valueOf(PUBLISH_FLAGS.ports, command) !== undefined;
}

/**
 * What a server publishes; undefined when nothing.
 *
 * @param pool the options of the server's own tunnel: what may be said of all tunnels is taken from them
 * @throws ConfigError when a flag is missing, or has no effect
 */
export function publishSettings(
  command: Command,
  pool: Partial<ServerPoolOptions<true>>,
  tunnel: Partial<TunnelServerOptions>,
): Omit<PublishOptions, 'listener'> | undefined {
  const { ports, host, lingerMs, maxPerToken } = PUBLISH_FLAGS;
  const portsFlag = nameOf(ports, command);
  if (!opensPorts(command)) {
    const stray = [host, lingerMs, maxPerToken].find((flag) => isMeant(flag, command));
    if (stray === undefined) return undefined;
    throw new ConfigError(`${nameOf(stray, command)}: has no effect without ${portsFlag}`);
  }
  if (valueOf(host, command) === undefined) {
    throw new ConfigError(
      `${nameOf(host, command)}: is missing; ${portsFlag} wants it: an address of this machine, or 0.0.0.0 for all of them`,
    );
  }
  if (((valueOf(WORKERS, command) as number | undefined) ?? 1) > 1) {
    const why = 'each process would give the same port to whichever client reached it first';
    throw new ConfigError(
      `${nameOf(WORKERS, command)}: has no place beside ${portsFlag}: ${why}; leave one of them out`,
    );
  }
  const given = Object.entries({ ports, host, lingerMs, maxPerToken }).flatMap(
    ([option, flag]): [string, unknown][] => {
      const value = valueOf(flag, command);
      return value === undefined ? [] : [[option, value]];
    },
  );
  return {
    ...(Object.fromEntries(given) as unknown as Omit<PublishOptions, 'listener'>),
    pool: publishPoolOptions(pool),
    tunnel: publishTunnelOptions(tunnel),
  };
}

/** A client's --publish with its --share. @throws ConfigError for --share alone */
export function publishOption(command: Command): Pick<ClientPoolOptions, 'publish'> {
  const publish: Flag = CLIENT_POOL_FLAGS.publish;
  const port = valueOf(publish, command) as number | undefined;
  const share = valueOf(SHARE, command) as boolean | undefined;
  if (port === undefined) {
    if (share === undefined || !isMeant(SHARE, command)) return {};
    throw new ConfigError(`${nameOf(SHARE, command)}: has no effect without ${nameOf(publish, command)}`);
  }
  return { publish: { port, ...(share === undefined ? {} : { share }) } };
}
