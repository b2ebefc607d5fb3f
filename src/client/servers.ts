/** The servers of one client: a warm pool at each, and visits from whichever the strategy says. */
import type { Clock } from '../shared/clock.ts';
import { DialError, InvalidOptionError, PooldError, reasonOf } from '../shared/errors.ts';
import { Events } from '../shared/events.ts';
import { Discovery } from '../shared/group/discovery.ts';
import type { NameResolver } from '../shared/group/name-lookup.ts';
import type { NodeSpec } from '../shared/group/node.ts';
import { PoolGroup } from '../shared/group/pool-group.ts';
import { formatServerSpec, type NameSpec, parseNameSpec } from '../shared/group/server-spec.ts';
import { type Address, formatAddress } from '../shared/net/address.ts';
import { addressOption } from '../shared/net/address-option.ts';
import type { StrategyName } from '../shared/policy/strategy.ts';
import type { Lease } from '../shared/pool/lease.ts';
import type { WaitOptions } from '../shared/pool/waiter.ts';
import type { Breaker, BreakerLimits } from '../shared/resilience/breaker.ts';
import { checkTokens } from '../shared/session/check-token.ts';
import type { DatagramVisit } from '../shared/session/datagram-visit.ts';
import type { Session } from '../shared/session/session.ts';
import type { Visit } from '../shared/session/visit.ts';
import { checkClientTls, type ClientTlsOptions } from '../shared/tls/modes.ts';
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
import { ClientPool, type ClientTlsRenewal } from './client-pool.ts';
import { type ClientPoolOptions, tunnelName } from './client-pool-options.ts';
import type { Connect } from './dial.ts';
import { KnownServer } from './known-server.ts';

/**
 * A server: `host:port`, `dns:host:port` or `srv:name` for all that the name has, an address, or a function that connects
 * by other means.
 */
export type ServerOption = string | Address | Connect;

/** How the servers are found and judged. All are optional. */
export interface ServerGroupOptions {
  /** Who looks `dns:` and `srv:` names up; cancelled at the end. Default: `node:dns`. */
  readonly resolver?: NameResolver | undefined;
  /** When a server whose dials fail is left alone. */
  readonly breaker?: BreakerLimits | undefined;
  /** How often a server is asked for whether it is connected, ms. Default 30000. */
  readonly healthIntervalMs?: number | undefined;
}

export interface ServersOptions extends ServerGroupOptions {
  /** In the order that `failover` prefers them; what a name has stands in its place. */
  readonly servers: readonly ServerOption[];
  /** Which one opens the next visit, where visits are opened here. */
  readonly strategy: StrategyName;
  /** What all pools have in common; the name of each begins with theirs, and ends with its server. */
  readonly pool: Omit<ClientPoolOptions<true>, 'dial' | 'breaker' | 'alone' | 'sharedBy'>;
  /** Serves the visits of datagrams that the servers open. */
  readonly onDatagrams?: DatagramListener;
  readonly clock: Clock;
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
  /** A name that could not be resolved is answered again. */
  recovered: [{ readonly spec: string }];
}

export class Servers extends Events<ServersEventMap> implements VisitSource, DatagramSource, TunnelPool {
  readonly group: PoolGroup<Session, ClientPool>;
  readonly #options: ServersOptions;
  /** What is proved to servers and shown to them now, also to those that are found later. */
  #renewed: Pick<ServersOptions['pool'], 'token' | 'tls'> = {};
  /** What was given, in order: nodes, and names that stand for some. */
  readonly #places: readonly (NodeSpec | NameSpec)[];
  readonly #connects = new Map<string, Connect>();
  readonly #entries = new Set<KnownServer>();
  readonly #discovery: Discovery | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: ServersOptions) {
    super('servers');
    this.#options = options;
    const { servers, strategy, clock, pool, resolver, breaker, healthIntervalMs } = options;
    if (servers.length === 0) throw new InvalidOptionError('dial', 'wants at least one server');
    this.#places = servers.map((server) => this.#place(server));
    const fixed = this.#places.flatMap((place) => (isName(place) ? [] : [place]));
    const specs = this.#places.filter(isName);
    for (const [at, { name }] of fixed.entries()) {
      if (fixed.findIndex((one) => one.name === name) < at) throw new InvalidOptionError('dial', `names ${name} twice`);
    }
    if (specs.length > 0) checkFound(pool);
    this.group = new PoolGroup({
      name: 'servers',
      create: (node, itsBreaker) => this.#create(node, itsBreaker),
      nodes: fixed,
      strategy,
      healthCheck: {
        check: (one) => this.#check(one),
        ...(healthIntervalMs === undefined ? {} : { intervalMs: healthIntervalMs }),
      },
      ...(breaker === undefined ? {} : { breaker }),
      ...(pool.maxWaiting === undefined ? {} : { maxWaiting: pool.maxWaiting }),
      // A server that its name does not have any more is no reason to end a visit.
      drainMs: Infinity,
      clock,
    });
    this.group.on('nodeRemoved', ({ node }) => this.#left(node));
    if (specs.length === 0) return;
    this.#discovery = new Discovery({
      specs,
      clock,
      ...(resolver === undefined ? {} : { resolver }),
      onNodes: () => this.#update(),
      onFault: (error) => this.tell('fault', { error }),
      onRecovered: (spec) => this.tell('recovered', { spec }),
    });
  }

  /** The names that are looked up, as they were given. */
  get names(): readonly string[] {
    return this.#places.filter(isName).map(formatServerSpec);
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

  /**
   * Proves another token from the next dials on; what is connected stays. Resolves when the keys are made.
   *
   * @throws InvalidOptionError as for the option `token`; then nothing has changed
   */
  async setToken(token: string): Promise<void> {
    this.checkToken(token);
    this.#renewed = { ...this.#renewed, token };
    await Promise.all([...this.#entries].map(({ pool }) => pool.setToken(token)));
  }

  /** Whether all servers would take it. @throws InvalidOptionError as for the option `token` @internal */
  checkToken(token: string): void {
    // Who is found may be anywhere.
    if (this.#discovery !== undefined) checkTokens(token, true);
    for (const { pool } of this.#entries) pool.checkToken(token);
  }

  /**
   * Shows another certificate, or trusts other authorities, from the next dials on; what is connected stays. What is
   * left out stays as it is, and so does the mode.
   *
   * @throws InvalidOptionError naming the `tls.…` option that cannot be used; then nothing has changed
   */
  setTls(renewal: ClientTlsRenewal): void {
    this.checkTls(renewal);
    for (const { pool } of this.#entries) pool.setTls(renewal);
    this.#renewed = { ...this.#renewed, tls: this.#renewedTls(renewal) };
  }

  /** Whether all servers would take it. @throws InvalidOptionError naming the `tls.…` option @internal */
  checkTls(renewal: ClientTlsRenewal): void {
    checkClientTls(this.#renewedTls(renewal));
    for (const { pool } of this.#entries) pool.checkTls(renewal);
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

  /** At another server, if one is connected. */
  openElsewhere(visitor: VisitorInfo, visit: Visit, options: WaitOptions): Promise<Visit> | undefined {
    const refused = this.entries.find(({ pool }) => pool.client === visit.client);
    if (!this.entries.some((entry) => entry !== refused && entry.pool.idle + entry.pool.inUse > 0)) return undefined;
    const filter = refused === undefined ? options : { ...options, not: refused.server };
    return openSoon(
      () => this.group.getAny(filter),
      (lease) => openOn(lease, this.#tunnel, visitor),
    );
  }

  get #tunnel(): string {
    return tunnelName(this.#options.pool);
  }

  #renewedTls(renewal: ClientTlsRenewal): ClientTlsOptions {
    return { mode: 1, ...this.#options.pool.tls, ...this.#renewed.tls, ...renewal };
  }

  #open(lease: Lease<Session> | undefined, visitor: VisitorInfo): Visit | undefined {
    return lease === undefined ? undefined : openOn(lease, this.#tunnel, visitor);
  }

  /** @throws InvalidOptionError naming the option */
  #place(server: ServerOption): NodeSpec | NameSpec {
    if (typeof server === 'function') {
      const name = `server ${this.#connects.size + 1}`;
      this.#connects.set(name, server);
      return { name };
    }
    if (!isAddress(server)) throw new InvalidOptionError('dial', 'wants host:port, an address or a function');
    return (typeof server === 'string' ? nameSpec(server) : undefined) ?? nodeAt(addressOption('dial', server));
  }

  #create({ name, address }: NodeSpec, breaker: Breaker): ClientPool {
    const { pool: common } = this.#options;
    const dial = address ?? this.#connects.get(name);
    if (dial === undefined) throw new InvalidOptionError('dial', `${name} is no server`);
    const pool = new ClientPool({
      ...common,
      ...this.#renewed,
      name: `${common.name ?? 'client'} ${name}`,
      dial,
      breaker,
      alone: () => this.#isWanted(entry),
      sharedBy: () => this.group.fit,
    });
    pool.onDatagrams = this.#options.onDatagrams;
    const entry = new KnownServer(name, pool, {
      onConnected: ({ server }) => this.group.recheck(server),
      onLoss: (lost) => this.#lost(lost),
    });
    this.#entries.add(entry);
    this.tell('serverAdded', entry);
    return pool;
  }

  /** When no server is left, whoever was held back is worth a try. */
  #lost(server: KnownServer): void {
    if (!this.#isLost()) return;
    for (const other of this.#entries) if (other !== server) other.pool.hurry();
  }

  /** Whether no other server can stand in for this one: in a reverse tunnel each has visitors of its own. */
  #isWanted(entry: KnownServer): boolean {
    return this.#options.pool.opener === 'server' || this.#isLost(entry);
  }

  /** Whether no server can carry another visit, but for `except`. */
  #isLost(except?: KnownServer): boolean {
    for (const entry of this.#entries) if (entry !== except && entry.able) return false;
    return true;
  }

  /** @throws DialError when the pool's server is not connected, though it should be */
  #check(pool: ClientPool): void {
    for (const entry of this.#entries) {
      if (entry.pool === pool && !entry.there) {
        throw new DialError('connect', `there is no connection to ${entry.server}; its failed dials say why`);
      }
    }
  }

  /** A server that its name does not have any more; those of a closing client stay for whoever asks. */
  #left(server: string): void {
    if (!this.ready) return;
    for (const entry of this.#entries) {
      if (entry.server === server && entry.pool.state === 'closed') this.#entries.delete(entry);
    }
  }

  #update(): void {
    const nodes = this.#places.flatMap((place) =>
      isName(place) ? (this.#discovery?.addressesOf(place) ?? []).map(nodeAt) : [place],
    );
    try {
      // A name may have what is also given by its address.
      this.group.updateNodes([...new Map(nodes.map((node) => [node.name, node])).values()]);
    } catch (error) {
      this.tell('fault', { error: error instanceof PooldError ? error : new DialError('resolve', reasonOf(error)) });
    }
  }
}

/** Whether this stands for all that a name has. */
function isName(place: NodeSpec | NameSpec): place is NameSpec {
  return 'kind' in place;
}

/** Whether a caller without types has given something that may be an address. */
function isAddress(server: unknown): boolean {
  return typeof server === 'string' || (typeof server === 'object' && server !== null && !Array.isArray(server));
}

/** @throws InvalidOptionError naming the option */
function nameSpec(text: string): NameSpec | undefined {
  try {
    return parseNameSpec(text);
  } catch (cause) {
    throw new InvalidOptionError('dial', reasonOf(cause), { cause });
  }
}

function nodeAt(address: Address): NodeSpec {
  return { name: formatAddress(address), address };
}

/** @throws InvalidOptionError when servers that are found by their names could not be trusted */
function checkFound({ token, tls }: ServersOptions['pool']): void {
  // Who is found may be anywhere, and its address is no name to verify.
  checkTokens(token, true);
  if (tls?.mode === 2 && tls.hostname === undefined) {
    throw new InvalidOptionError('tls.hostname', 'is needed to verify servers that are found by dns: or srv:');
  }
}
