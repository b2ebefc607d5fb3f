/** The servers of one client: a warm pool at each, and visits from whichever the strategy says. */
import type { Clock } from '../shared/clock.ts';
import { DialError, InvalidOptionError, PooldError, reasonOf } from '../shared/errors.ts';
import { Events } from '../shared/events.ts';
import { Discovery } from '../shared/group/discovery.ts';
import type { NameResolver } from '../shared/group/name-lookup.ts';
import type { NodeSpec } from '../shared/group/node.ts';
import { PoolGroup } from '../shared/group/pool-group.ts';
import { parseServerSpec } from '../shared/group/server-spec.ts';
import { type Address, formatAddress } from '../shared/net/address.ts';
import { addressOption } from '../shared/net/address-option.ts';
import type { StrategyName } from '../shared/policy/strategy.ts';
import type { Lease } from '../shared/pool/lease.ts';
import type { WaitOptions } from '../shared/pool/waiter.ts';
import type { Breaker } from '../shared/resilience/breaker.ts';
import { checkTokens } from '../shared/session/check-token.ts';
import type { DatagramVisit } from '../shared/session/datagram-visit.ts';
import type { Session } from '../shared/session/session.ts';
import type { Visit } from '../shared/session/visit.ts';
import type { TunnelPool } from '../shared/tunnel/tunnel.ts';
import {
  checkVisitor,
  type DatagramListener,
  type DatagramSource,
  openDatagramsOn,
  openOn,
  openSoon,
  type VisitorInfo,
  type VisitSource,
} from '../shared/tunnel/visit-pool.ts';
import { ClientPool } from './client-pool.ts';
import { type ClientPoolOptions, DEFAULT_TUNNEL } from './client-pool-options.ts';
import type { Connect } from './dial.ts';

/**
 * A server: `host:port`, `dns:host:port` or `srv:name` for all that the name has, an address, or a function that connects
 * by other means.
 */
export type ServerOption = string | Address | Connect;

export interface ServersOptions {
  readonly servers: readonly ServerOption[];
  /** Which one opens the next visit, where visits are opened here. */
  readonly strategy: StrategyName;
  /** What all pools have in common. */
  readonly pool: Omit<ClientPoolOptions<true>, 'dial' | 'breaker' | 'alone'>;
  /** Serves the visits of datagrams that the servers open. */
  readonly onDatagrams?: DatagramListener;
  readonly clock: Clock;
  /** Who looks names up. Default: `node:dns`. */
  readonly resolver?: NameResolver;
}

/** The pool of one server. */
export interface ServerEntry {
  /** The server, for people. */
  readonly server: string;
  readonly pool: ClientPool;
}

export interface ServersEventMap {
  /** A server has been added, at the start or by a name that now has it. */
  serverAdded: [ServerEntry];
  /** All pools are closed. */
  poolClosed: [object];
  /** Names could not be resolved; those known so far stay. */
  fault: [{ readonly error: PooldError }];
}

export class Servers extends Events<ServersEventMap> implements VisitSource, DatagramSource, TunnelPool {
  readonly group: PoolGroup<Session, ClientPool>;
  readonly #options: ServersOptions;
  readonly #connects = new Map<string, Connect>();
  readonly #entries = new Set<ServerEntry>();
  readonly #discovery: Discovery | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: ServersOptions) {
    super('servers');
    this.#options = options;
    const { servers, strategy, clock, pool, resolver } = options;
    if (servers.length === 0) throw new InvalidOptionError('dial', 'wants at least one server');
    const specs = servers.filter(isLookedUp);
    const fixed = servers.filter((server) => !isLookedUp(server)).map((server) => this.#spec(server));
    for (const [at, { name }] of fixed.entries()) {
      if (fixed.findIndex((one) => one.name === name) < at) throw new InvalidOptionError('dial', `names ${name} twice`);
    }
    if (specs.length > 0) checkLookedUp(specs, pool);
    this.group = new PoolGroup({
      name: 'servers',
      create: (node, breaker) => this.#create(node, breaker),
      nodes: fixed,
      strategy,
      healthCheck: { check: isThere },
      clock,
    });
    this.group.on('nodeRemoved', ({ node }) => this.#left(node));
    if (specs.length === 0) return;
    this.#discovery = new Discovery({
      specs,
      clock,
      ...(resolver === undefined ? {} : { resolver }),
      onNodes: (found) => this.#update([...fixed, ...found.map((address) => this.#spec(address))]),
      onFault: (error) => this.tell('fault', { error }),
    });
  }

  get ready(): boolean {
    return this.group.ready;
  }
  get idle(): number {
    return this.group.idle;
  }
  get inUse(): number {
    return this.group.inUse;
  }

  /** Each server and its pool, those that are being left among them. */
  get entries(): readonly ServerEntry[] {
    return [...this.#entries];
  }

  /**
   * Begins to dial all servers.
   *
   * @throws InvalidOptionError when TLS options cannot be used
   */
  async start(): Promise<void> {
    await this.group.start();
    if (this.ready) this.#discovery?.start();
  }

  async close(options: { graceMs: number }): Promise<void> {
    this.#discovery?.stop();
    await this.group.close(options);
    this.tell('poolClosed', {});
  }

  destroy(): void {
    this.#discovery?.stop();
    this.group.destroy();
    this.tell('poolClosed', {});
  }

  tryOpenVisit(visitor: VisitorInfo): Visit | undefined {
    checkVisitor(visitor);
    return this.#open(this.group.tryGetAny(), visitor);
  }

  async openVisit(visitor: VisitorInfo, options?: WaitOptions): Promise<Visit> {
    checkVisitor(visitor);
    return await openSoon(
      () => this.group.getAny(options),
      (lease) => openOn(lease, this.#tunnel, visitor),
    );
  }

  /** How many servers are connected. */
  get ends(): number {
    return this.entries.filter(({ pool }) => pool.idle + pool.inUse > 0).length;
  }

  tryOpenDatagrams(visitor: VisitorInfo): DatagramVisit | undefined {
    checkVisitor(visitor);
    const lease = this.group.tryGetAny();
    return lease === undefined ? undefined : openDatagramsOn(lease, this.#tunnel, visitor);
  }

  async openDatagrams(visitor: VisitorInfo, options?: WaitOptions): Promise<DatagramVisit> {
    checkVisitor(visitor);
    return await openSoon(
      () => this.group.getAny(options),
      (lease) => openDatagramsOn(lease, this.#tunnel, visitor),
    );
  }

  tryOpenElsewhere(visitor: VisitorInfo, visit: Visit): Visit | undefined {
    const refused = this.entries.find(({ pool }) => pool.client === visit.client);
    return this.#open(this.group.tryGetAny(refused && { not: refused.server }), visitor);
  }

  get #tunnel(): string {
    return this.#options.pool.tunnel ?? DEFAULT_TUNNEL;
  }

  #open(lease: Lease<Session> | undefined, visitor: VisitorInfo): Visit | undefined {
    return lease === undefined ? undefined : openOn(lease, this.#tunnel, visitor);
  }

  #spec(server: ServerOption): NodeSpec {
    if (typeof server === 'function') {
      const name = `server ${this.#connects.size + 1}`;
      this.#connects.set(name, server);
      return { name };
    }
    const address = addressOption('dial', server);
    return { name: formatAddress(address), address };
  }

  #create({ name, address }: NodeSpec, breaker: Breaker): ClientPool {
    const dial = address ?? this.#connects.get(name);
    if (dial === undefined) throw new InvalidOptionError('dial', `${name} is no server`);
    const entry: ServerEntry = {
      server: name,
      pool: new ClientPool({ ...this.#options.pool, dial, breaker, alone: () => this.#isWanted(entry) }),
    };
    const { pool } = entry;
    pool.onDatagrams = this.#options.onDatagrams;
    this.#entries.add(entry);
    pool.on('connectionClosed', () => {
      // Nobody is left: whoever was held back is worth a try.
      if (this.#isLost()) for (const other of this.#entries) if (other !== entry) other.pool.hurry();
    });
    this.tell('serverAdded', entry);
    return pool;
  }

  /** Whether no other server can stand in for this one: in a reverse tunnel each has visitors of its own. */
  #isWanted(entry: ServerEntry): boolean {
    return this.#options.pool.opener === 'server' || this.#isLost(entry);
  }

  /** Whether no server is connected, but for `except`. */
  #isLost(except?: ServerEntry): boolean {
    return this.entries.every((entry) => entry === except || entry.pool.idle + entry.pool.inUse === 0);
  }

  /** A server that its name does not have any more; those of a closing client stay for whoever asks. */
  #left(server: string): void {
    if (!this.ready) return;
    for (const entry of this.#entries) {
      if (entry.server === server && entry.pool.state === 'closed') this.#entries.delete(entry);
    }
  }

  #update(nodes: readonly NodeSpec[]): void {
    try {
      // A name may have what is also given by its address.
      this.group.updateNodes([...new Map(nodes.map((node) => [node.name, node])).values()]);
    } catch (error) {
      this.tell('fault', { error: error instanceof PooldError ? error : new DialError('resolve', reasonOf(error)) });
    }
  }
}

/** Whether this stands for all that a name has. */
function isLookedUp(server: ServerOption): server is string {
  return typeof server === 'string' && /^(dns|srv):/.test(server);
}

/** @throws InvalidOptionError naming the option */
function checkLookedUp(specs: readonly string[], { token, tls }: ServersOptions['pool']): void {
  try {
    for (const spec of specs) parseServerSpec(spec);
  } catch (cause) {
    throw new InvalidOptionError('dial', reasonOf(cause), { cause });
  }
  // Who is found may be anywhere, and its address is no name to verify.
  checkTokens(token, false);
  if (tls?.mode === 2 && tls.hostname === undefined) {
    throw new InvalidOptionError('tls.hostname', 'is needed to verify servers that are found by dns: or srv:');
  }
}

/** Whether the server is connected; a pool that is not has its own ways to become so. */
async function isThere(pool: ClientPool, signal: AbortSignal): Promise<void> {
  if (pool.inUse === 0) await pool.warmed(1, { signal });
}
