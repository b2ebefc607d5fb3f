/** What a command is to run: one tunnel by its flags, or those of a file. Read anew for each reload. */
import type { Command } from 'commander';
import { DEFAULT_TUNNEL, tunnelName } from '../client/client-pool-options.ts';
import { ConfigError } from '../shared/errors.ts';
import { formatAddress, type HostAddress } from '../shared/net/address.ts';
import { levelsOf, nameFlag } from './command-flags.ts';
import { readConfig, type Side } from './config/config-file.ts';
import { type FileCommands, fileCommands } from './config/tunnel-commands.ts';
import { type Flag, nameOf, valueOf } from './flag.ts';
import { CONFIG, FLOW, TUNNEL_CLIENT_FLAGS, TUNNEL_SERVER_FLAGS } from './flags.ts';
import type { Planned } from './planned.ts';
import { shareAddresses } from './public-addresses.ts';
import { PUBLISH_FLAGS } from './publish-flags.ts';
import { isSecretTyped } from './secrets.ts';
import {
  type ClientSettings,
  clientSettings,
  type ClientTunnel,
  clientTunnel,
  type ServerSettings,
  serverSettings,
  type ServerTunnel,
  serverTunnel,
} from './settings.ts';

const { public: PUBLIC } = TUNNEL_SERVER_FLAGS;

interface Plan<S, P> {
  readonly settings: S;
  /** The flags that these are from. */
  readonly command: Command;
  readonly tunnels: ReadonlyMap<string, Planned<P>>;
  /** Whether a file names the tunnels. */
  readonly fromFile: boolean;
  /** Whether the token or a proxy's password stands on the command line, where others may see it. */
  readonly secretTyped: boolean;
  /** What the operator should hear, once each. */
  readonly warnings: readonly string[];
}

export type ServerPlan = Plan<ServerSettings, ServerTunnel>;
export type ClientPlan = Plan<ClientSettings, ClientTunnel>;

/** @throws ConfigError saying what is wrong, in the words of flags, variables and the file */
export async function serverPlan(command: Command): Promise<ServerPlan> {
  const { process, tunnels, fromFile } = commandsOf(command, 'server');
  const settings = await serverSettings(process);
  const planned = new Map<string, Planned<ServerTunnel>>();
  for (const [name, one] of tunnels) planned.set(name, { settings: serverTunnel(one), command: one });
  // Connections may be shared out by hosts, datagrams have none.
  checkSingle(planned, PUBLIC, ({ tunnel }) => (tunnel.protocol === 'udp' ? tunnel.public : undefined));
  const { warnings } = settings;
  return {
    settings,
    command: process,
    tunnels: shareAddresses(planned),
    fromFile,
    secretTyped: isSecretTyped(command),
    warnings,
  };
}

/** @throws ConfigError saying what is wrong, in the words of flags, variables and the file */
export async function clientPlan(command: Command): Promise<ClientPlan> {
  const { process, tunnels, fromFile } = commandsOf(command, 'client');
  const planned = new Map<string, Planned<ClientTunnel>>();
  for (const one of tunnels.values()) {
    const settings = await clientTunnel(one);
    planned.set(tunnelName(settings.pool), { settings, command: one });
  }
  for (const protocol of ['tcp', 'udp']) {
    checkSingle(planned, TUNNEL_CLIENT_FLAGS.local, ({ tunnel }) =>
      (tunnel.protocol ?? 'tcp') === protocol ? (tunnel.local as HostAddress | undefined) : undefined,
    );
  }
  const warnings = new Set([...planned.values()].flatMap(({ settings }) => settings.warnings));
  return {
    settings: clientSettings(process),
    command: process,
    tunnels: planned,
    fromFile,
    secretTyped: isSecretTyped(command),
    warnings: [...warnings],
  };
}

/** Whether a server has no tunnel of its own, and opens ports for its clients alone. */
function isForOthers(command: Command, side: Side): boolean {
  const isSet = (flag: Flag): boolean => valueOf(flag, command) !== undefined;
  const { target } = TUNNEL_SERVER_FLAGS;
  return side === 'server' && isSet(PUBLISH_FLAGS.ports) && !isSet(PUBLIC) && !isSet(target) && !isSet(FLOW);
}

/** @throws ConfigError for the second tunnel at an address that only one can have */
function checkSingle<P>(
  tunnels: ReadonlyMap<string, Planned<P>>,
  flag: Flag,
  addressOf: (settings: P) => HostAddress | undefined,
): void {
  const owners = new Map<string, string>();
  for (const [name, { settings, command }] of tunnels) {
    const address = addressOf(settings);
    if (address === undefined || address.port === 0) continue;
    const text = formatAddress(address);
    const owner = owners.get(text);
    if (owner !== undefined) {
      throw new ConfigError(`${nameOf(flag, command)}: ${text} is the address of the tunnel ${owner}; choose another`);
    }
    owners.set(text, name);
  }
}

/** @throws ConfigError for what is read of visitors, where no address is that reads any */
function refuseReading(command: Command): void {
  const { hosts, proxyFrom, public: visitors } = TUNNEL_SERVER_FLAGS;
  const stray = [hosts, proxyFrom].find((flag) => valueOf(flag, command) !== undefined);
  if (stray === undefined) return;
  const why = 'ports that clients open take visitors as they come';
  throw new ConfigError(`${nameOf(stray, command)}: has no effect without ${nameOf(visitors, command)}: ${why}`);
}

/**
 * The commands that a command line stands for: its own, or those of its file.
 *
 * @throws ConfigError saying what is wrong with the file
 */
export function commandsOf(command: Command, side: Side): FileCommands & { readonly fromFile: boolean } {
  const path = valueOf(CONFIG, command) as string | undefined;
  if (path === undefined) {
    const flag = nameFlag(side);
    const name = (flag && (valueOf(flag, command) as string | undefined)) ?? DEFAULT_TUNNEL;
    const forOthers = isForOthers(command, side);
    if (forOthers) refuseReading(command);
    const tunnels = new Map(side === 'balance' || forOthers ? [] : [[name, command]]);
    return { process: command, tunnels, fromFile: false };
  }
  const file = readConfig(path, levelsOf, process.env);
  if (file.side === side) return { ...fileCommands(command, file), fromFile: true };
  throw new ConfigError(`${path}: is for \`poold ${file.side}\`, and this is \`poold ${side}\``);
}
