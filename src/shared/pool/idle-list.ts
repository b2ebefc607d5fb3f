import { throwLater } from '../events.ts';
import type { Entry } from './entry.ts';
import { type Linked, LinkedList } from './linked-list.ts';
import type { PoolConnection } from './pool-connection.ts';

/** The numbers of one group, as a group picker sees them. */
export interface GroupLevel {
  /** The group's name: on a server pool the client process that dialled. */
  readonly name: string;
  readonly idle: number;
  readonly inUse: number;
}

/**
 * Chooses among the groups that have an idle connection, in the order in which they came; undefined leaves the choice to
 * the pool. Each group is the same object every time.
 */
export type GroupPicker = (groups: readonly GroupLevel[]) => string | undefined;

/** Which groups an acquire accepts. */
export interface GroupFilter {
  /** Only this group. */
  readonly group?: string | undefined;
  /** Any group but this one. */
  readonly notGroup?: string | undefined;
}

/** The connections of one group: the idle ones as a LIFO, the others as a count. */
export class IdleGroup<T extends PoolConnection> implements Linked<IdleGroup<T>>, GroupLevel {
  readonly name: string;
  readonly entries = new LinkedList<Entry<T>>();
  /** Connections of this group in the pool, in whatever state; at 0 the group is forgotten. */
  members = 0;
  inUse = 0;
  previous: IdleGroup<T> | undefined;
  next: IdleGroup<T> | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get idle(): number {
    return this.entries.size;
  }
}

/**
 * The idle connections that an acquire may have: one LIFO per group, and the groups that have any in the order of
 * their last return, so that the choice without a picker is O(1) too.
 */
export class IdleList<T extends PoolConnection> {
  readonly #groups = new Map<string, IdleGroup<T>>();
  readonly #ready = new LinkedList<IdleGroup<T>>();
  readonly #pick: GroupPicker | undefined;
  #size = 0;

  constructor(pick?: GroupPicker) {
    this.#pick = pick;
  }

  get size(): number {
    return this.#size;
  }

  /** All groups that have a connection in the pool, idle or not. */
  get groups(): IterableIterator<IdleGroup<T>> {
    return this.#groups.values();
  }

  /** The group of that name, made when it is new; counts the caller as a member. */
  join(name: string): IdleGroup<T> {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, (group = new IdleGroup(name)));
    group.members += 1;
    return group;
  }

  leave(group: IdleGroup<T>): void {
    group.members -= 1;
    if (group.members === 0) this.#groups.delete(group.name);
  }

  push(entry: Entry<T>): void {
    const { group } = entry;
    if (this.#ready.head !== group) {
      if (group.idle > 0) this.#ready.remove(group);
      this.#ready.addFirst(group);
    }
    group.entries.addFirst(entry);
    this.#size += 1;
  }

  remove(entry: Entry<T>): void {
    const { group } = entry;
    group.entries.remove(entry);
    if (group.idle === 0) this.#ready.remove(group);
    this.#size -= 1;
  }

  /** The most recently used idle connection that the filter lets through; it stays in the list. */
  peek(filter?: GroupFilter): Entry<T> | undefined {
    return this.#choose(filter)?.entries.head;
  }

  #choose(filter?: GroupFilter): IdleGroup<T> | undefined {
    if (filter?.group !== undefined) {
      return filter.group === filter.notGroup ? undefined : this.#groups.get(filter.group);
    }
    const first = this.#ready.head;
    if (this.#pick !== undefined && this.#ready.size > 1) {
      const candidates: IdleGroup<T>[] = [];
      for (const group of this.#groups.values()) {
        if (group.idle > 0 && group.name !== filter?.notGroup) candidates.push(group);
      }
      const name = this.#picked(this.#pick, candidates);
      const group = name === undefined || name === filter?.notGroup ? undefined : this.#groups.get(name);
      if (group !== undefined && group.idle > 0) return group;
    }
    return first !== undefined && first.name === filter?.notGroup ? first.next : first;
  }

  /** The picker's choice; a picker that throws leaves it to the pool. */
  #picked(pick: GroupPicker, candidates: readonly GroupLevel[]): string | undefined {
    try {
      return pick(candidates);
    } catch (error) {
      throwLater(error);
      return undefined;
    }
  }
}
