/** The server's end of a tunnel: visitors come in here in a reverse one, and go out to the target in a forward one. */
import type { Socket } from 'node:net';
import * as v from 'valibot';
import { InvalidOptionError } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { checkOptions, instance } from '../shared/options.ts';
import { DatagramEntrance } from '../shared/tunnel/datagram-entrance.ts';
import { DatagramExit } from '../shared/tunnel/datagram-exit.ts';
import { checkProtocol } from '../shared/tunnel/datagram-options.ts';
import { Entrance } from '../shared/tunnel/entrance.ts';
import { Exit } from '../shared/tunnel/exit.ts';
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
  /** Reverse: where visitors connect, `host:port`; port 0 takes a free one. */
  readonly public?: string | HostAddress;
  /**
   * Forward: the service that the clients' visitors reach, `host:port`, `3000` for a port of this machine, or
   * `unix:/path`; or several of them.
   */
  readonly target?: TargetOption;
  /** Lets other processes listen on the same port, where Node can (22.12 and later); the system spreads visitors. */
  readonly reusePort?: boolean;
  /**
   * Asked for each visitor that finds no connection idle: returns true when it has taken the visitor over, for instance
   * to hand it to another process. Otherwise the visitor waits here.
   */
  readonly passOn?: (socket: Socket, visitor: VisitorInfo) => boolean;
}

const schema = v.strictObject({
  ...tunnelOptions,
  pool: instance<ServerPool>('a ServerPool'),
  public: listenSchema,
  target: targetSchema,
  reusePort: v.optional(v.boolean('wants true or false'), false),
  passOn: v.optional(
    v.custom<NonNullable<TunnelServerOptions['passOn']>>((value) => typeof value === 'function', 'wants a function'),
  ),
});

export class TunnelServer extends Tunnel {
  readonly pool: ServerPool;

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
    if (pool.opener !== opener) throw new InvalidOptionError('pool', `wants the opener '${opener}' for this flow`);
    if (target === undefined) {
      refuseTargets(options.targets);
      const listen = listenOption('public', checked.public as string | HostAddress);
      const entrance = { ...checked, listen };
      if (protocol === 'udp') this.entrance = new DatagramEntrance(entrance, pool, this);
      else this.entrance = new Entrance(entrance, pool, this);
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

  /**
   * Takes a visitor that was accepted elsewhere. Its socket is open for half-closing, and nobody has read from it.
   * The rules for visitors judge and count where one is accepted, by its own address, and not here. Reverse tunnels of `tcp` only.
   *
   * @throws InvalidOptionError for addresses that are none
   */
  welcome(socket: Socket, visitor: VisitorInfo): void {
    if (this.entrance instanceof Entrance) this.entrance.welcome(socket, visitor);
  }
}
