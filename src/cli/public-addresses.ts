/** The addresses where visitors come in, and the tunnels that share one by their hosts. */
import { ConfigError } from '../shared/errors.ts';
import { formatAddress, type HostAddress } from '../shared/net/address.ts';
import { AddressRanges } from '../shared/net/address-rules.ts';
import { checkHosts } from '../shared/tunnel/guest.ts';
import { PublicListener } from '../shared/tunnel/public-listener.ts';
import type { TunnelServer } from '../server/tunnel-server.ts';
import type { Admin } from './admin/admin.ts';
import { nameOf } from './flag.ts';
import { TUNNEL_SERVER_FLAGS } from './flags.ts';
import type { Logger } from './logging.ts';
import type { Planned } from './planned.ts';
import { explained } from './option-errors.ts';
import { logPublic } from './pool-log.ts';
import type { ServerTunnel } from './settings.ts';

type Planneds = ReadonlyMap<string, Planned<ServerTunnel>>;

/** The tunnels at each address, where connections come in; at port 0 each has one of its own. */
function byAddress(tunnels: Planneds): Map<string, Planned<ServerTunnel>[]> {
  const groups = new Map<string, Planned<ServerTunnel>[]>();
  for (const [name, planned] of tunnels) {
    const { public: address, protocol } = planned.settings.tunnel;
    if (address === undefined || protocol === 'udp') continue;
    const key = address.port === 0 ? name : formatAddress(address);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [planned]);
    else group.push(planned);
  }
  return groups;
}

/** The proxies in front of an address: those that any of its tunnels names. */
function proxiesOf(group: readonly Planned<ServerTunnel>[]): readonly string[] {
  return group.find(({ settings }) => settings.tunnel.proxyFrom !== undefined)?.settings.tunnel.proxyFrom ?? [];
}

/**
 * Says of each tunnel whether it shares its address with others.
 *
 * @throws ConfigError when two of an address have the same host, or trust other proxies
 */
export function shareAddresses(tunnels: Planneds): Map<string, Planned<ServerTunnel>> {
  const sharing = new Set<Planned<ServerTunnel>>();
  for (const group of byAddress(tunnels).values()) {
    checkGroup(group);
    if (group.length > 1) for (const planned of group) sharing.add(planned);
  }
  const all = new Map<string, Planned<ServerTunnel>>();
  for (const [name, planned] of tunnels) {
    all.set(name, { ...planned, settings: { ...planned.settings, shares: sharing.has(planned) } });
  }
  return all;
}

function checkGroup(group: readonly Planned<ServerTunnel>[]): void {
  const proxies = proxiesOf(group).toSorted().join();
  const hosts = group.map(({ settings }) => settings.tunnel.hosts ?? []);
  try {
    checkHosts(hosts);
  } catch {
    // Up to each, so that the error is about the one that has what another has.
    for (const [at, { command }] of group.entries()) explained(command, () => checkHosts(hosts.slice(0, at + 1)));
  }
  for (const { settings, command } of group) {
    const { proxyFrom } = settings.tunnel;
    explained(command, () => void new AddressRanges('proxyFrom', proxyFrom ?? []));
    if (proxyFrom === undefined || proxyFrom.toSorted().join() === proxies) continue;
    const flag = nameOf(TUNNEL_SERVER_FLAGS.proxyFrom, command);
    throw new ConfigError(
      `${flag}: another tunnel at this address trusts other proxies; name the same for each of them`,
    );
  }
}

/** The listeners of a process's shared addresses: the port of each is open while any of its tunnels is there. */
export class PublicAddresses {
  readonly #log: Logger;
  readonly #admin: Pick<Admin, 'watchPublic'> | undefined;
  readonly #listeners = new Map<string, PublicListener>();

  constructor(log: Logger, admin: Pick<Admin, 'watchPublic'> | undefined) {
    this.#log = log;
    this.#admin = admin;
  }

  /** The listener of an address, made when it is wanted first. @param reusePort whether other processes have it, too */
  at(address: HostAddress, reusePort: boolean): PublicListener {
    const name = formatAddress(address);
    let listener = this.#listeners.get(name);
    if (listener === undefined) {
      listener = new PublicListener({ listen: address, reusePort });
      logPublic(listener, this.#log.child({ public: name }));
      this.#admin?.watchPublic(name, listener);
      this.#listeners.set(name, listener);
    }
    return listener;
  }

  /** Gives those that stay the hosts of a plan, all at once, and its proxies to the addresses that they and others share. */
  settle(plan: Planneds, kept: ReadonlyMap<string, TunnelServer>): void {
    for (const [name, group] of byAddress(plan)) this.#listeners.get(name)?.setProxyFrom(proxiesOf(group));
    const hosts = new Map<PublicListener, Map<TunnelServer, readonly string[]>>();
    for (const [name, tunnel] of kept) {
      const { publicListener: listener } = tunnel;
      const settings = plan.get(name)?.settings;
      if (listener === undefined || settings === undefined) continue;
      if (!settings.shares) listener.setProxyFrom(settings.tunnel.proxyFrom ?? []);
      const here = hosts.get(listener) ?? new Map<TunnelServer, readonly string[]>();
      hosts.set(listener, here.set(tunnel, settings.tunnel.hosts ?? []));
    }
    for (const [listener, changes] of hosts) listener.setHosts(changes);
  }
}
