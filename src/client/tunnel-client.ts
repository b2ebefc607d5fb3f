/** The client's end of a tunnel: visits go out to the target here in a reverse one, and visitors come in in a forward one. */
import * as v from 'valibot';
import { InvalidOptionError, NoNodeError } from '../shared/errors.ts';
import type { HostAddress } from '../shared/net/address.ts';
import { listenOption } from '../shared/net/address-option.ts';
import { checkOptions, instance, milliseconds } from '../shared/options.ts';
import type { NameResolver } from '../shared/group/name-lookup.ts';
import { STRATEGIES, type StrategyName } from '../shared/policy/strategy.ts';
import { breakerLimitsSchema } from '../shared/resilience/breaker.ts';
import { DatagramEntrance } from '../shared/tunnel/datagram-entrance.ts';
import { DatagramExit } from '../shared/tunnel/datagram-exit.ts';
import { checkProtocol } from '../shared/tunnel/datagram-options.ts';
import { Entrance } from '../shared/tunnel/entrance.ts';
import { Exit } from '../shared/tunnel/exit.ts';
import type { DatagramListener, VisitListener } from '../shared/tunnel/visit-pool.ts';
import { PublicListener } from '../shared/tunnel/public-listener.ts';
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
import { refuseVisitors } from '../shared/tunnel/visitor-rules.ts';
import type { ClientPool } from './client-pool.ts';
import type { ClientPoolOptions } from './client-pool-options.ts';
import { type ServerGroupOptions, type ServerOption, Servers } from './servers.ts';

/** Options of a {@link TunnelClient}. One of `target` (reverse) and `local` (forward) is required. */
export interface TunnelClientOptions extends TunnelOptions {
  /** The pool that the tunnel makes for each server, starts and closes; `dial` may name several servers. */
  readonly pool: Omit<
    ClientPoolOptions<true>,
    'dial' | 'onVisit' | 'opener' | 'session' | 'breaker' | 'alone' | 'sharedBy'
  > & {
    readonly dial: ServerOption | readonly ServerOption[];
  };
  /** Forward: which of several servers the next visitor goes to. Default `round-robin`. */
  readonly serverStrategy?: StrategyName;
  /** How several servers are found and judged. */
  readonly group?: ServerGroupOptions;
  /** Reverse: the service to expose, `host:port`, `3000` for a port of this machine, or `unix:/path`; or several. */
  readonly target?: TargetOption;
  /** Forward: where visitors connect, `host:port`; port 0 takes a free one. */
  readonly local?: string | HostAddress;
}

const schema = v.strictObject({
  ...tunnelOptions,
  pool: instance<TunnelClientOptions['pool']>('the options of a ClientPool'),
  serverStrategy: v.optional(v.picklist(STRATEGIES, `wants one of ${STRATEGIES.join(', ')}`), 'round-robin'),
  group: v.optional(
    v.strictObject({
      resolver: v.optional(instance<NameResolver>('a resolver')),
      breaker: v.optional(breakerLimitsSchema),
      healthIntervalMs: v.optional(milliseconds(1)),
    }),
    {},
  ),
  target: targetSchema,
  local: listenSchema,
});

export class TunnelClient extends Tunnel {
  /** The servers that it keeps connections to. */
  readonly servers: Servers;

  /** @throws InvalidOptionError naming the option */
  constructor(options: TunnelClientOptions) {
    const checked = checkOptions(schema, options);
    const { clock, stallTimeoutMs, target, local, protocol } = checked;
    if ((target === undefined) === (local === undefined)) {
      throw new InvalidOptionError(
        'target',
        'wants exactly one of target (a reverse tunnel) and local (a forward one)',
      );
    }
    checkProtocol(options, target === undefined);
    const opener = target === undefined ? 'client' : 'server';
    const { dial, ...given } = checked.pool;
    const pool = { ...given, ...publishOf(given.publish, opener, protocol) };
    let onVisit: VisitListener | undefined;
    let onDatagrams: DatagramListener | undefined;
    // Only what is served here: the pools refuse the rest.
    const tcp: { onVisit?: VisitListener } = { onVisit: (visit, session) => onVisit?.(visit, session) };
    const udp: { onDatagrams?: DatagramListener } = { onDatagrams: (visit, session) => onDatagrams?.(visit, session) };
    const servers = new Servers({
      servers: Array.isArray(dial) ? (dial as ServerOption[]) : [dial as ServerOption],
      strategy: checked.serverStrategy,
      pool: { clock, stallTimeoutMs, ...pool, opener, ...(protocol === 'tcp' ? tcp : {}) },
      ...(protocol === 'udp' ? udp : {}),
      clock,
      ...checked.group,
    });
    super(servers, 'client');
    this.servers = servers;
    if (target === undefined) {
      refuseTargets(options.targets);
      const listen = listenOption('local', local as string | HostAddress);
      if (protocol === 'udp') {
        this.entrance = new DatagramEntrance({ ...checked, listen, reusePort: false }, servers, this);
      } else {
        const listener = new PublicListener({ listen, clock });
        this.entrance = new Entrance({ ...checked, listener, alone: true }, servers, this);
      }
    } else if (protocol === 'udp') {
      refuseVisitors(options.visitors);
      const exit = new DatagramExit({ ...checked, ...exitTargets(target, checked.targets, protocol) }, this);
      this.exit = exit;
      onDatagrams = (visit) => exit.serve(visit);
    } else {
      refuseVisitors(options.visitors);
      const exit = new Exit({ ...checked, ...exitTargets(target, checked.targets, protocol) }, this);
      this.exit = exit;
      onVisit = (visit) => exit.serve(visit);
    }
  }

  /** The pool of the first server. @throws NoNodeError while a name has none */
  get pool(): ClientPool {
    const [first] = this.servers.entries;
    if (first === undefined) throw new NoNodeError('servers');
    return first.pool;
  }
}

/** The tunnel's protocol is that of its port. @throws InvalidOptionError where visitors come in here */
function publishOf(
  publish: ClientPoolOptions['publish'],
  opener: 'client' | 'server',
  protocol: 'tcp' | 'udp',
): Pick<ClientPoolOptions, 'publish'> {
  if (publish === undefined) return {};
  if (opener === 'client') {
    throw new InvalidOptionError('publish', 'has no place in a forward tunnel, whose visitors come in at the client');
  }
  if (typeof publish === 'number') return { publish: { port: publish, protocol } };
  if ((publish.protocol ?? protocol) !== protocol) {
    throw new InvalidOptionError('publish.protocol', `the tunnel's own is ${protocol}; leave one of them out`);
  }
  return { publish: { ...publish, protocol } };
}
