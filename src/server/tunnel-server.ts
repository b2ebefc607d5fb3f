/** The server's end of a tunnel: visitors come in here in a reverse one, and go out to the target in a forward one. */
import type { Socket } from 'node:net';
import * as v from 'valibot';
import { InvalidOptionError } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { readHosts } from '../shared/net/host-table.ts';
import { checkOptions, instance } from '../shared/options.ts';
import { DatagramEntrance } from '../shared/tunnel/datagram-entrance.ts';
import { DatagramExit } from '../shared/tunnel/datagram-exit.ts';
import { checkProtocol } from '../shared/tunnel/datagram-options.ts';
import { Entrance } from '../shared/tunnel/entrance.ts';
import { Exit } from '../shared/tunnel/exit.ts';
import { PublicListener } from '../shared/tunnel/public-listener.ts';
import { textsOption } from '../shared/tunnel/public-listener-options.ts';
import { Tunnel } from '../shared/tunnel/tunnel.ts';
import {
  exitTargets,
  listenSchema,
  refuseTargets,
  type TargetOption,
  targetSchema,
  type TunnelOptions,
  tunnelOptions,
} from '../shared/tunnel/tunnel-options.ts';
import type { VisitorInfo } from '../shared/tunnel/visit-pool.ts';
import { refuseVisitors } from '../shared/tunnel/visitor-rules.ts';
import type { ServerPool } from './server-pool.ts';

/** Options of a {@link TunnelServer}. One of `public` (reverse) and `target` (forward) is required. */
export interface TunnelServerOptions extends TunnelOptions {
  /** A pool with sessions, whose `opener` suits the flow; the tunnel starts and closes it. */
  readonly pool: ServerPool;
  /** Reverse: where visitors connect, `host:port`; port 0 takes a free one. Or a listener of yours, for several tunnels. */
  readonly public?: string | HostAddress | PublicListener;
  /**
   * Reverse, `tcp`: the visitors of these hosts alone, `www.example.org` or `*.example.org` (one label or more in front), as
   * they ask for them by TLS (SNI) or HTTP/1. Default none: all visitors, or those that no other tunnel at the address has.
   */
  readonly hosts?: readonly string[];
  /**
   * Reverse, `tcp`: the proxies in front of `public`, whose connections must begin with a header of the PROXY protocol; see
   * `PublicListenerOptions`. With a listener of yours it is that one's, and what is given here must be the same.
   */
  readonly proxyFrom?: readonly string[];
  /**
   * Forward: the service that the clients' visitors reach, `host:port`, `3000` for a port of this machine, or
   * `unix:/path`; or several of them.
   */
  readonly target?: TargetOption;
  /** Lets other processes listen on the same port, where Node can (22.12 and later); the system spreads visitors. */
  readonly reusePort?: boolean;
  /**
   * Asked for each visitor that finds no connection idle: returns true when it has taken the visitor over, for instance
   * to hand it to another process. Otherwise the visitor waits here, and so does one that was read for its host.
   */
  readonly passOn?: (socket: Socket, visitor: VisitorInfo) => boolean;
}

const schema = v.strictObject({
  ...tunnelOptions,
  pool: instance<ServerPool>('a ServerPool'),
  public: v.optional(v.union([v.instance(PublicListener), listenSchema], 'wants host:port, or a PublicListener')),
  hosts: textsOption,
  proxyFrom: textsOption,
  target: targetSchema,
  reusePort: v.optional(v.boolean('wants true or false'), false),
  passOn: v.optional(
    v.custom<NonNullable<TunnelServerOptions['passOn']>>((value) => typeof value === 'function', 'wants a function'),
  ),
});

type Checked = v.InferOutput<typeof schema>;

/** @throws InvalidOptionError for an address that is none */
function atAddress(checked: Checked) {
  if (checked.public instanceof PublicListener) {
    throw new InvalidOptionError(
      'public',
      "wants host:port with protocol 'udp': datagrams do not come in at a listener",
    );
  }
  return { ...checked, listen: listenOption('public', checked.public as string | HostAddress) };
}

/** Where visitors come in: a listener of the caller's, or one of its own. @throws InvalidOptionError naming the option */
function atListener(checked: Checked) {
  const { hosts = [], reusePort, proxyFrom, clock } = checked;
  const entrance = { ...checked, hosts: readHosts('hosts', hosts) };
  if (!(checked.public instanceof PublicListener)) {
    const { listen } = atAddress(checked);
    const listener = new PublicListener({ listen, reusePort, clock, ...(proxyFrom && { proxyFrom }) });
    return { ...entrance, listener, alone: true };
  }
  const listener = checked.public;
  if (reusePort) throw new InvalidOptionError('reusePort', 'belongs to the listener; give it there');
  if (proxyFrom !== undefined && !haveSame(proxyFrom, listener.proxyFrom)) {
    throw new InvalidOptionError(
      'proxyFrom',
      'belongs to the address, and another tunnel there trusts other proxies; name the same for each of them',
    );
  }
  return { ...entrance, listener, alone: false };
}

function haveSame(some: readonly string[], others: readonly string[]): boolean {
  const known = new Set(others);
  return new Set(some).size === known.size && some.every((one) => known.has(one));
}

/** @throws InvalidOptionError for what is read of visitors, where none come in */
function refuseReading(given: TunnelServerOptions): void {
  for (const option of ['hosts', 'proxyFrom'] as const) {
    if (given[option] === undefined) continue;
    throw new InvalidOptionError(option, 'has no effect here: visitors come in at the other side');
  }
}

export class TunnelServer extends Tunnel {
  readonly pool: ServerPool;
  /** Where visitors are connected; undefined for datagrams, and in a forward tunnel. */
  readonly #inlet: Entrance | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: TunnelServerOptions) {
    const checked = checkOptions(schema, options);
    const { pool, target, protocol } = checked;
    super(pool, 'server');
    this.pool = pool;
    if ((checked.public === undefined) === (target === undefined)) {
      throw new InvalidOptionError(
        'public',
        'wants exactly one of public (a reverse tunnel) and target (a forward one)',
      );
    }
    checkProtocol(options, target === undefined);
    const opener = target === undefined ? 'server' : 'client';
    if (target !== undefined) refuseReading(options);
    if (pool.opener !== opener) throw new InvalidOptionError('pool', `wants the opener '${opener}' for this flow`);
    if (target === undefined) {
      refuseTargets(options.targets);
      if (protocol === 'udp') this.entrance = new DatagramEntrance(atAddress(checked), pool, this);
      else this.entrance = this.#inlet = new Entrance(atListener(checked), pool, this);
    } else if (protocol === 'udp') {
      refuseVisitors(options.visitors);
      const exit = new DatagramExit({ ...checked, ...exitTargets(target, checked.targets, protocol) }, this);
      this.exit = exit;
      pool.onDatagrams = (visit) => exit.serve(visit);
    } else {
      refuseVisitors(options.visitors);
      const exit = new Exit({ ...checked, ...exitTargets(target, checked.targets, protocol) }, this);
      this.exit = exit;
      pool.onVisit = (visit) => exit.serve(visit);
    }
  }

  /** Where visitors come in: the listener that was given, or one of its own. Reverse tunnels of `tcp` only. */
  get publicListener(): PublicListener | undefined {
    return this.#inlet?.listener;
  }

  /**
   * Takes other hosts from the next visitor on; who is in stays. For several tunnels of an address at once, see
   * `PublicListener.setHosts`.
   *
   * @param hosts as the option
   * @throws InvalidOptionError for what is no host, or another tunnel's; then nothing has changed
   */
  setHosts(hosts: readonly string[]): void {
    if (this.#inlet !== undefined) this.#inlet.setHosts(hosts);
    else if (hosts.length > 0) throw new InvalidOptionError('hosts', 'has no effect here: no connections come in');
  }

  /**
   * Takes a visitor that was accepted elsewhere. Its socket is open for half-closing, and nobody has read from it.
   * The rules for visitors judge and count where one is accepted, by its own address, and not here. Reverse tunnels of `tcp` only.
   *
   * @throws InvalidOptionError for addresses that are none
   */
  welcome(socket: Socket, visitor: VisitorInfo): void {
    this.#inlet?.welcome(socket, visitor);
  }
}
