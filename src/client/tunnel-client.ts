/** The client's end of a tunnel: visits go out to the target here in a reverse one, and visitors come in in a forward one. */
import * as v from 'valibot';
import { InvalidOptionError } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { checkOptions, instance } from '../shared/options.ts';
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
import { ClientPool } from './client-pool.ts';
import type { ClientPoolOptions } from './client-pool-options.ts';

/** Options of a {@link TunnelClient}. One of `target` (reverse) and `local` (forward) is required. */
export interface TunnelClientOptions extends TunnelOptions {
  /** The pool that the tunnel makes, starts and closes. */
  readonly pool: Omit<ClientPoolOptions<true>, 'onVisit' | 'opener' | 'session'>;
  /** Reverse: the service to expose, `host:port`, `3000` for a port of this machine, or `unix:/path`; or several. */
  readonly target?: TargetOption;
  /** Forward: where visitors connect, `host:port`; port 0 takes a free one. */
  readonly local?: string | HostAddress;
}

const schema = v.strictObject({
  ...tunnelOptions,
  pool: instance<TunnelClientOptions['pool']>('the options of a ClientPool'),
  target: targetSchema,
  local: listenSchema,
});

export class TunnelClient extends Tunnel {
  readonly pool: ClientPool;

  /** @throws InvalidOptionError naming the option */
  constructor(options: TunnelClientOptions) {
    const checked = checkOptions(schema, options);
    const { clock, stallTimeoutMs, target, local } = checked;
    if ((target === undefined) === (local === undefined)) {
      throw new InvalidOptionError(
        'target',
        'wants exactly one of target (a reverse tunnel) and local (a forward one)',
      );
    }
    const opener = target === undefined ? 'client' : 'server';
    const pool = new ClientPool({ clock, stallTimeoutMs, ...checked.pool, opener });
    super(pool, 'client');
    this.pool = pool;
    if (target === undefined) {
      refuseTargets(options.targets);
      const listen = listenOption('local', local as string | HostAddress);
      this.entrance = new Entrance({ ...checked, listen, reusePort: false }, pool, this);
    } else {
      const exit = new Exit({ ...checked, ...exitTargets(target, checked.targets) }, this);
      this.exit = exit;
      pool.onVisit = (visit) => exit.serve(visit);
    }
  }
}
