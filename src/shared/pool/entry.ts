import type { IdleGroup } from './idle-list.ts';
import type { Lease } from './lease.ts';
import type { Linked } from './linked-list.ts';
import type { PoolConnection } from './pool-connection.ts';

/**
 * Where a connection stands in its pool.
 *
 * - `idle`: any acquire may have it
 * - `passive`: idle, but only the peer opens on it; handed out by ID alone
 * - `claimed`: bytes arrived while idle, so the peer has taken it; handed out by ID alone, before the claim timeout
 * - `inUse`: a lease holds it
 * - `gone`: left the pool
 */
export type EntryState = 'idle' | 'passive' | 'claimed' | 'inUse' | 'gone';

/** What does not change about an entry. */
export interface EntryFacts<T extends PoolConnection> {
  readonly id: string;
  readonly connection: T;
  readonly group: IdleGroup<T>;
  /** Whether only the peer opens on it. */
  readonly passive: boolean;
  /** The pool's generation when it came in. */
  readonly generation: number;
  /** When it came in, and when its lifetime is over (Infinity: never); the pool's clock, ms. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** One pooled connection and what the pool knows of it. Internal: users hold leases. */
export class Entry<T extends PoolConnection> implements EntryFacts<T>, Linked<Entry<T>> {
  readonly id: string;
  readonly connection: T;
  readonly group: IdleGroup<T>;
  readonly passive: boolean;
  readonly generation: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  state: EntryState = 'inUse';
  /**
   * Since when it has been in its state; the pool's clock, ms. A clock reading costs more than a place in the list, so it
   * is undefined until somebody needs it: the next sweep at the latest.
   */
  since: number | undefined;
  /** Its lifetime was over at the last sweep. */
  expired = false;
  lease: Lease<T> | undefined;
  previous: Entry<T> | undefined;
  next: Entry<T> | undefined;

  constructor(facts: EntryFacts<T>) {
    this.id = facts.id;
    this.connection = facts.connection;
    this.group = facts.group;
    this.passive = facts.passive;
    this.generation = facts.generation;
    this.createdAt = facts.createdAt;
    this.expiresAt = facts.expiresAt;
  }
}
