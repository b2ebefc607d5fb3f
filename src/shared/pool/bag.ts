import { Entry, type EntryState } from './entry.ts';
import { type GroupFilter, type GroupPicker, type IdleGroup, IdleList } from './idle-list.ts';
import { LinkedList } from './linked-list.ts';
import type { PoolConnection } from './pool-connection.ts';

/**
 * Who is where: every connection of a pool in exactly one {@link EntryState}, and the counts. It knows nothing of
 * waiters, limits, time-outs or events, and every move is O(1).
 */
export class Bag<T extends PoolConnection> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #idle: IdleList<T>;
  readonly #passive = new LinkedList<Entry<T>>();
  readonly #claimed = new LinkedList<Entry<T>>();
  #inUse = 0;

  constructor(pick?: GroupPicker) {
    this.#idle = new IdleList(pick);
  }

  get size(): number {
    return this.#entries.size;
  }
  /** Idle ones, whoever may open on them. */
  get idle(): number {
    return this.#idle.size + this.#passive.size;
  }
  /** Handed out or claimed. */
  get inUse(): number {
    return this.#inUse;
  }
  get claimed(): number {
    return this.#claimed.size;
  }
  get groups(): IterableIterator<IdleGroup<T>> {
    return this.#idle.groups;
  }

  get(id: string): Entry<T> | undefined {
    return this.#entries.get(id);
  }
  has(id: string): boolean {
    return this.#entries.has(id);
  }
  all(): Entry<T>[] {
    return [...this.#entries.values()];
  }

  /** Takes a new connection in, as in use: its place comes next. */
  add(make: Omit<ConstructorParameters<typeof Entry<T>>[0], 'group'> & { readonly group: string }): Entry<T> {
    const entry = new Entry<T>({ ...make, group: this.#idle.join(make.group) });
    this.#entries.set(entry.id, entry);
    this.#count(entry, 1);
    return entry;
  }

  /** In use → idle, or passive for a connection that only the peer opens on. */
  park(entry: Entry<T>): void {
    this.#move(entry, entry.passive ? 'passive' : 'idle');
  }

  /** Idle, passive or in use → claimed. */
  claim(entry: Entry<T>): void {
    this.#move(entry, 'claimed');
  }

  /** Idle, passive or claimed → in use. */
  take(entry: Entry<T>): void {
    this.#move(entry, 'inUse');
  }

  /** The most recently used idle connection that the filter lets through; it stays where it is. */
  peek(filter?: GroupFilter): Entry<T> | undefined {
    return this.#idle.peek(filter);
  }

  remove(entry: Entry<T>): void {
    this.#move(entry, 'gone');
    this.#entries.delete(entry.id);
    this.#idle.leave(entry.group);
  }

  /** The idle and passive ones, least recently used first within each list; the current one may be removed. */
  *idleFromOldest(): Generator<Entry<T>, void> {
    yield* this.#passive.fromTail();
    for (const group of this.#idle.groups) yield* group.entries.fromTail();
  }

  /** The claimed ones, longest claimed first; the current one may be removed. */
  claimedFromOldest(): Generator<Entry<T>, void> {
    return this.#claimed.fromTail();
  }

  #move(entry: Entry<T>, state: EntryState): void {
    const wasOut = isOut(entry.state);
    if (entry.state === 'idle') this.#idle.remove(entry);
    else if (entry.state === 'passive') this.#passive.remove(entry);
    else if (entry.state === 'claimed') this.#claimed.remove(entry);
    entry.state = state;
    entry.since = undefined;
    if (state === 'idle') this.#idle.push(entry);
    else if (state === 'passive') this.#passive.addFirst(entry);
    else if (state === 'claimed') this.#claimed.addFirst(entry);
    if (wasOut !== isOut(state)) this.#count(entry, wasOut ? -1 : 1);
  }

  #count(entry: Entry<T>, change: 1 | -1): void {
    this.#inUse += change;
    entry.group.inUse += change;
  }
}

function isOut(state: EntryState): boolean {
  return state === 'inUse' || state === 'claimed';
}
