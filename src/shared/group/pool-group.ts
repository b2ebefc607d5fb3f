/** Many pools as one: nodes come and go while connections are handed out. */
import { AcquireTimeoutError, NoNodeError, PoolClosedError, QueueFullError } from '../errors.ts';
import { Events } from '../events.ts';
import type { Lease, LeaseOwner } from '../pool/lease.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { WaitOptions } from '../pool/waiter.ts';
import { retry, type RetryRules } from '../resilience/retry.ts';
import { type ExecuteOptions, runOn, type Work } from './execute.ts';
import type { GroupEventMap } from './group-events.ts';
import { type CheckedGroupOptions, checkGroupOptions, type PoolGroupOptions } from './group-options.ts';
import type { GroupStats } from './group-stats.ts';
import { type Grant, GroupWait } from './group-wait.ts';
import { Members, type NodeChanges } from './members.ts';
import type { GroupNode, NodeSpec, NodeStats } from './node.ts';
import type { NodePool } from './node-pool.ts';
import type { NodeFilter, Wish } from './roster.ts';

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

/**
 * A cluster of pools. A get is served by a node with something idle, by the strategy; else it waits at all nodes that are
 * fit, and the first grant wins. Health checks and circuit breakers only say who is preferred: when nobody else is
 * there, who is not fit is asked all the same.
 */
export class PoolGroup<T extends PoolConnection, P extends NodePool<T> = NodePool<T>>
  extends Events<GroupEventMap>
  implements AsyncDisposable
{
  readonly #options: CheckedGroupOptions<T, P>;
  readonly #members: Members<T, P>;
  readonly #waits = new Set<GroupWait<T, P>>();
  #acquired = 0;
  #ready = true;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @throws InvalidOptionError naming the option, or what `create` throws */
  constructor(options: PoolGroupOptions<T, P>) {
    super('group');
    this.#options = checkGroupOptions(options);
    this.#members = new Members(this.#options, {
      tell: (event, message) => this.tell(event, message),
      changed: () => this.#seek(),
    });
  }

  get name(): string {
    return this.#options.name;
  }
  /** Whether gets and new nodes are accepted. */
  get ready(): boolean {
    return this.#ready;
  }
  /** Idle connections of all nodes. */
  get idle(): number {
    return this.#sum((pool) => pool.idle);
  }
  /** Connections of all nodes that are handed out, the draining ones among them. */
  get inUse(): number {
    return this.#sum((pool) => pool.inUse);
  }
  /** Gets that wait. */
  get waiting(): number {
    return this.#waits.size;
  }
  /** Nodes that nothing speaks against: who waits does so at these, unless there is none. */
  get fit(): number {
    return this.#members.roster.nodes.filter(({ fit }) => fit).length;
  }
  /** A snapshot of each node: in order, then those that drain. */
  get nodes(): readonly NodeStats[] {
    return this.#members.all.map((node) => node.stats());
  }

  /** A snapshot of all numbers. */
  stats(): GroupStats {
    const { name, ready, idle, inUse, waiting } = this;
    const { roster, draining } = this.#members;
    const healthy = roster.nodes.filter((node) => node.healthy).length;
    const connecting = this.#sum((pool) => pool.size) - idle - inUse;
    const levels = { idle, inUse, connecting, waiting, acquired: this.#acquired };
    return { name, ready, nodes: roster.nodes.length, healthy, draining: draining.size, ...levels };
  }

  /**
   * Starts the pools of all nodes, and the health checks. Nodes that come later are started as they come; one that cannot
   * be started is unhealthy. Further calls wait for the same.
   *
   * @throws the first error of a pool's start
   */
  start(): Promise<void> {
    this.#starting ??= this.#members.start();
    return this.#starting;
  }

  /** @throws InvalidOptionError when there is one of this name, PoolClosedError, or what `create` throws */
  addNode(spec: NodeSpec): void {
    this.#checkReady();
    this.#members.add(spec);
  }

  /**
   * Takes a node out: it hands out nothing more, and its leases have `graceMs` (default: `drainMs`) to come back.
   * Resolves when it is gone; at once when there is none of this name. The name is free at once.
   */
  removeNode(name: string, { graceMs }: { graceMs?: number } = {}): Promise<void> {
    return this.#members.remove(name, graceMs);
  }

  /**
   * Makes these the nodes, in this order. Those of the same name and address stay as they are; the others come, or are
   * drained for `drainMs`.
   *
   * @throws InvalidOptionError, PoolClosedError, or what `create` throws; then nothing has changed
   */
  updateNodes(specs: readonly NodeSpec[]): NodeChanges {
    this.#checkReady();
    return this.#members.update(specs);
  }

  /** Checks a node at once, if it is unhealthy: for whoever sees that it has come back. */
  recheck(name: string): void {
    this.#members.recheck(name);
  }

  /** A connection of a node that has one idle, or undefined, at once. */
  tryGetAny(filter?: NodeFilter): Lease<T> | undefined {
    return this.#ready ? this.#take(filter)?.lease : undefined;
  }

  /**
   * A connection of any node, waiting for one at all of them at once; without nodes, for one to join.
   *
   * @throws NoNodeError when there was none to the end, AcquireTimeoutError, QueueFullError, PoolClosedError, the signal's
   *   reason, or the last error when the pools of all nodes refuse
   */
  async getAny(options: WaitOptions & NodeFilter = {}): Promise<Lease<T>> {
    const { lease } = await this.#get(options, options, false);
    return lease;
  }

  /** The name of the node that a lease is from; undefined when it is of another group, or of a pool inside a node's. */
  nodeOf(lease: Lease<T>): string | undefined {
    return this.#members.all.find(({ pool }) => lease.isFrom(pool as unknown as LeaseOwner<T>))?.name;
  }

  /**
   * Calls `work` with a connection of any node, and gives it back. When it fails with a retryable error, the connection
   * is destroyed, the node's breaker hears of it, and `work` is called again, on another node if one is fit. Any
   * other error is thrown as it is.
   *
   * @throws what {@link getAny} throws, or what `work` throws
   */
  async executeOnAny<R>(work: Work<T, R>, { retry: rules, ...wait }: ExecuteOptions = {}): Promise<R> {
    const { clock, random } = this.#options;
    const given = { ...this.#options.retry, ...stated(rules) };
    const { retryable } = given;
    let failed: string | undefined;
    const attempt = async (): Promise<R> => {
      const wish = { avoid: failed, careful: true };
      failed = undefined;
      const grant = await this.#get(wait, wish, true);
      failed = grant.node.name;
      return await runOn(grant, work, (error) => wait.signal?.aborted !== true && retryable(error));
    };
    return await retry(attempt, {
      ...given,
      retryable: (error) => this.#ready && retryable(error),
      signal: wait.signal,
      clock,
      random,
    });
  }

  /**
   * Refuses new and waiting gets, and drains all nodes at once, within the grace. Further calls wait for the same end.
   */
  close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    if (this.#closing === undefined) {
      this.#refuseAll(new PoolClosedError(this.name));
      this.#closing = this.#members.close(graceMs);
    }
    return this.#closing;
  }

  /** Closes everything at once, in use or not; waiting gets are refused with `error` as the cause. */
  destroy(error?: Error): void {
    this.#refuseAll(new PoolClosedError(this.name, { cause: error }));
    this.#members.destroy(error);
  }

  /** Closes with the default grace, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #sum(of: (pool: P) => number): number {
    return this.#members.all.reduce((sum, { pool }) => sum + of(pool), 0);
  }

  #checkReady(): void {
    if (!this.#ready) throw new PoolClosedError(this.name);
  }

  /** Something idle, at once. */
  #take(wish: Wish | undefined): Taken<T, P> | undefined {
    const taken = this.#members.roster.take(wish, takeIdle);
    if (taken === undefined) return undefined;
    taken.node.acquired += 1;
    this.#acquired += 1;
    return taken;
  }

  /** @param claims whether the node's breaker is to hear how the work ends */
  async #get(options: WaitOptions, wish: Wish, claims: boolean): Promise<Grant<T, P>> {
    const { timeoutMs = this.#options.acquireTimeoutMs, signal } = options;
    this.#checkReady();
    signal?.throwIfAborted();
    const taken = this.#take(wish);
    if (taken !== undefined) return { ...taken, generation: claims ? taken.node.claim() : undefined };
    if (timeoutMs === 0) throw this.#timedOut(0);
    const { maxWaiting } = this.#options;
    if (this.#waits.size >= maxWaiting) throw new QueueFullError(maxWaiting, this.stats());
    const { roster } = this.#members;
    const timedOut = (waitedMs: number): Error => this.#timedOut(waitedMs);
    const limits = { clock: this.#options.clock, timeoutMs, signal, timedOut };
    const wait = new GroupWait(roster, wish, claims, limits, () => this.#waits.delete(wait));
    this.#waits.add(wait);
    wait.seek();
    const grant = await wait.promise;
    this.#acquired += 1;
    return grant;
  }

  #timedOut(waitedMs: number): Error {
    const { nodes, idle, inUse, connecting, waiting } = this.stats();
    if (nodes === 0) return new NoNodeError(this.name);
    const lack = `no idle connection at any of ${nodes} nodes of ${this.name}`;
    return new AcquireTimeoutError(lack, waitedMs, { idle, inUse, connecting, waiting });
  }

  /** Who may serve has changed: those who wait look again. */
  #seek(): void {
    for (const wait of this.#waits) wait.seek();
  }

  #refuseAll(error: PoolClosedError): void {
    this.#ready = false;
    for (const wait of this.#waits) wait.refuse(error);
  }
}

/** A lease, and the node that it is from. */
type Taken<T extends PoolConnection, P extends NodePool<T>> = Omit<Grant<T, P>, 'generation'>;

function takeIdle<T extends PoolConnection, P extends NodePool<T>>(node: GroupNode<T, P>): Taken<T, P> | undefined {
  const lease = node.pool.tryAcquire();
  return lease && { node, lease };
}

/** The rules that are there: what is undefined leaves the group's. */
function stated(rules: RetryRules = {}): { readonly [K in keyof RetryRules]?: NonNullable<RetryRules[K]> } {
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
}
