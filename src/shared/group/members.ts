/** Who belongs to a group: nodes come, are started and checked, and drain when they go. */
import { InvalidOptionError } from '../errors.ts';
import { makeStrategy } from '../policy/strategy.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import { Breaker, type BreakerState } from '../resilience/breaker.ts';
import type { GroupEventMap } from './group-events.ts';
import { type CheckedGroupOptions, checkNodes } from './group-options.ts';
import { connectionCanBeHad, NodeCheck } from './health.ts';
import { GroupNode, type NodeSpec, sameNode } from './node.ts';
import type { NodePool } from './node-pool.ts';
import { Roster } from './roster.ts';

/** What an update has changed, names only. */
export interface NodeChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly kept: readonly string[];
}

/** The group, as its members see it. */
export interface MembersOwner {
  readonly tell: <K extends keyof GroupEventMap>(event: K, message: GroupEventMap[K][0]) => void;
  /** Who may serve has changed. */
  readonly changed: () => void;
}

export class Members<T extends PoolConnection, P extends NodePool<T>> {
  /** Those that may hand out. */
  readonly roster: Roster<GroupNode<T, P>>;
  /** Those that only wait for their leases. */
  readonly draining = new Set<GroupNode<T, P>>();
  readonly #options: CheckedGroupOptions<T, P>;
  readonly #owner: MembersOwner;
  #started = false;

  /** @throws what `create` throws */
  constructor(options: CheckedGroupOptions<T, P>, owner: MembersOwner) {
    this.#options = options;
    this.#owner = owner;
    this.roster = new Roster(makeStrategy(options.strategy, options.random));
    this.roster.set(this.#make(options.nodes));
  }

  /** In order, then those that drain. */
  get all(): readonly GroupNode<T, P>[] {
    return [...this.roster.nodes, ...this.draining];
  }

  /** @throws the first error of a pool's start */
  async start(): Promise<void> {
    this.#started = true;
    await Promise.all(this.roster.nodes.map((node) => this.#start(node)));
  }

  /** @throws InvalidOptionError, or what `create` throws */
  add(given: NodeSpec): void {
    const { nodes } = this.roster;
    const specs = checkNodes([given]);
    if (nodes.some((node) => node.name === given.name)) {
      throw new InvalidOptionError('name', `there is a node "${given.name}" already; remove it first`);
    }
    const added = this.#make(specs);
    this.#change([...nodes, ...added], added, []);
  }

  async remove(name: string, graceMs: number = this.#options.drainMs): Promise<void> {
    const { nodes } = this.roster;
    const removed = nodes.filter((node) => node.name === name);
    if (removed.length > 0) this.#change(without(nodes, removed), [], removed, graceMs);
    await Promise.all([...this.draining].filter((node) => node.name === name).map((node) => node.whenGone()));
  }

  /** @throws InvalidOptionError, or what `create` throws; then nothing has changed */
  update(given: readonly NodeSpec[]): NodeChanges {
    const specs = checkNodes(given);
    const { nodes } = this.roster;
    const kept = nodes.filter((node) => specs.some((spec) => sameNode(node.spec, spec)));
    const added = this.#make(specs.filter((spec) => !kept.some((node) => sameNode(node.spec, spec))));
    const removed = without(nodes, kept);
    const order = namesOf(specs);
    const place = ({ name }: NodeSpec): number => order.indexOf(name);
    this.#change(
      [...kept, ...added].sort((one, other) => place(one) - place(other)),
      added,
      removed,
    );
    return { added: namesOf(added), removed: namesOf(removed), kept: namesOf(kept) };
  }

  /** Checks a node that is unhealthy now instead of at its next turn. */
  recheck(name: string): void {
    const node = this.roster.nodes.find((one) => one.name === name);
    if (node?.healthy === false) node.check?.now();
  }

  /** Drains all, those that drain already within the same grace. */
  async close(graceMs: number): Promise<void> {
    const leaving = this.all;
    for (const node of this.draining) void node.close(graceMs);
    this.#change([], [], this.roster.nodes, graceMs);
    await Promise.all(leaving.map((node) => node.whenGone()));
  }

  destroy(error: Error | undefined): void {
    for (const { pool } of this.all) pool.destroy(error);
    this.#change([], [], this.roster.nodes, 0);
  }

  /** New nodes: all of them, or none. */
  #make(specs: readonly NodeSpec[]): readonly GroupNode<T, P>[] {
    const made: GroupNode<T, P>[] = [];
    try {
      for (const spec of specs) made.push(this.#makeOne(spec));
    } catch (error) {
      for (const { pool } of made) pool.destroy();
      throw error;
    }
    return made;
  }

  #makeOne(spec: NodeSpec): GroupNode<T, P> {
    const { breaker: limits, clock, random, health, create } = this.#options;
    const onChange = (state: BreakerState): void => this.#breakerChanged(breaker, state);
    const onTrial = (): void => this.#owner.changed();
    const breaker = new Breaker({ ...limits, name: `node ${spec.name}`, clock, onChange, onTrial });
    const pool = create(spec, breaker);
    const node = new GroupNode<T, P>(spec, pool, breaker, clock);
    if (health !== undefined) {
      const { timeoutMs, check = (_, signal) => connectionCanBeHad(pool, signal, timeoutMs) } = health;
      node.check = new NodeCheck({
        ...health,
        node: spec.name,
        check: (signal) => check(pool, signal),
        told: (healthy, error) => this.#judged(node, healthy, error),
        clock,
        random,
      });
    }
    return node;
  }

  #change(
    nodes: readonly GroupNode<T, P>[],
    added: readonly GroupNode<T, P>[],
    removed: readonly GroupNode<T, P>[],
    graceMs: number = this.#options.drainMs,
  ): void {
    const { name: group } = this.#options;
    this.roster.set(nodes);
    for (const node of removed) void this.#drain(node, graceMs);
    for (const { name, spec } of added) this.#owner.tell('nodeAdded', { group, node: name, address: spec.address });
    if (this.#started) {
      // One that cannot be started is told as unhealthy.
      for (const node of added) this.#start(node).catch(() => {});
    }
    this.#owner.changed();
  }

  async #start(node: GroupNode<T, P>): Promise<void> {
    try {
      await node.start();
    } catch (error) {
      node.failed(error);
      this.#judged(node, false, error);
      throw error;
    }
  }

  async #drain(node: GroupNode<T, P>, graceMs: number): Promise<void> {
    const { name: group, clock } = this.#options;
    const since = clock.now();
    this.draining.add(node);
    await node.close(graceMs);
    this.draining.delete(node);
    this.#owner.tell('nodeRemoved', { group, node: node.name, drainedMs: clock.now() - since });
  }

  #judged(node: GroupNode<T, P>, healthy: boolean, error: unknown): void {
    if (node.state !== 'ready') return;
    if (!healthy) node.remember(error);
    if (node.healthy === healthy) return;
    node.healthy = healthy;
    const about = { group: this.#options.name, node: node.name };
    if (healthy) this.#owner.tell('nodeHealthy', about);
    else this.#owner.tell('nodeUnhealthy', { ...about, error });
    this.#owner.changed();
  }

  #breakerChanged(breaker: Breaker, state: BreakerState): void {
    const node = this.roster.nodes.find((one) => one.breaker === breaker);
    if (node === undefined) return;
    this.#owner.tell('breakerChanged', { group: this.#options.name, node: node.name, state });
    this.#owner.changed();
  }
}

function without<N>(nodes: readonly N[], others: readonly N[]): readonly N[] {
  return nodes.filter((node) => !others.includes(node));
}

function namesOf(nodes: readonly { readonly name: string }[]): readonly string[] {
  return nodes.map(({ name }) => name);
}
