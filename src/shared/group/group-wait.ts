import type { Lease } from '../pool/lease.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import { Waiter, type WaiterOptions, WITHDRAWN } from '../pool/waiter.ts';
import type { GroupNode } from './node.ts';
import type { NodePool } from './node-pool.ts';
import type { Roster, Wish } from './roster.ts';

/** What a get of a group ends with. */
export interface Grant<T extends PoolConnection, P extends NodePool<T>> {
  readonly node: GroupNode<T, P>;
  readonly lease: Lease<T>;
  /** For the node's breaker, where it is to hear how the work ends. */
  readonly generation: number | undefined;
}

/** The wait at one of the nodes. */
interface Leg {
  readonly withdrawal: AbortController;
  /** Of the node's breaker, as in the {@link Grant}. */
  generation: number | undefined;
}

/** One pending get: it waits at several nodes at once, and the first grant wins. */
export class GroupWait<T extends PoolConnection, P extends NodePool<T>> {
  readonly #roster: Roster<GroupNode<T, P>>;
  readonly #wish: Wish;
  readonly #claims: boolean;
  readonly #waiter: Waiter<Grant<T, P>>;
  readonly #ended: () => void;
  readonly #legs = new Map<GroupNode<T, P>, Leg>();
  readonly #refused = new Set<GroupNode<T, P>>();
  #lastError: unknown;

  /**
   * @param claims whether the nodes' breakers are to hear how the work ends
   * @param ended called when it has ended, however
   */
  constructor(
    roster: Roster<GroupNode<T, P>>,
    wish: Wish,
    claims: boolean,
    limits: Omit<WaiterOptions, 'left'>,
    ended: () => void,
  ) {
    this.#roster = roster;
    this.#wish = wish;
    this.#claims = claims;
    this.#ended = ended;
    this.#waiter = new Waiter({ ...limits, left: () => this.#end() }, undefined);
  }

  get promise(): Promise<Grant<T, P>> {
    return this.#waiter.promise;
  }

  /** Waits at all nodes that are to be waited for now: called again whenever one joins, or its fitness changes. */
  seek(): void {
    for (const node of this.#roster.standing(this.#wish, this.#refused)) {
      if (!this.#legs.has(node)) void this.#waitAt(node);
    }
    if (this.#legs.size === 0 && this.#lastError !== undefined) this.refuse(this.#lastError);
  }

  refuse(error: unknown): void {
    if (this.#waiter.refuse(error)) this.#end();
  }

  async #waitAt(node: GroupNode<T, P>): Promise<void> {
    const leg: Leg = { withdrawal: new AbortController(), generation: undefined };
    this.#legs.set(node, leg);
    // Whoever has a trial makes the node unfit for others, who then look again, and so does this one.
    if (this.#claims) leg.generation = node.claim();
    try {
      const lease = await node.pool.acquire({ timeoutMs: Infinity, signal: leg.withdrawal.signal });
      this.#granted(node, leg, lease);
    } catch (error) {
      if (!leg.withdrawal.signal.aborted) this.#failed(node, leg, error);
    }
  }

  #granted(node: GroupNode<T, P>, leg: Leg, lease: Lease<T>): void {
    const { withdrawal, generation } = leg;
    // Withdrawn, lost, or its node removed, between its grant and now.
    if (withdrawal.signal.aborted || lease.connection.closed || node.state !== 'ready') {
      if (lease.held) lease.release();
      if (!withdrawal.signal.aborted) this.#leave(node, leg);
      return;
    }
    this.#legs.delete(node);
    node.acquired += 1;
    this.#waiter.grant({ node, lease, generation });
    this.#end();
  }

  #failed(node: GroupNode<T, P>, leg: Leg, error: unknown): void {
    // Who was only sent away has not failed.
    if (node.state === 'ready') {
      node.failed(error);
      this.#lastError = error;
      this.#refused.add(node);
    }
    this.#leave(node, leg);
  }

  #leave(node: GroupNode<T, P>, { generation }: Leg): void {
    this.#legs.delete(node);
    node.abandon(generation);
    this.seek();
  }

  #end(): void {
    this.#ended();
    for (const [node, { withdrawal, generation }] of this.#legs) {
      withdrawal.abort(WITHDRAWN);
      node.abandon(generation);
    }
    this.#legs.clear();
  }
}
