import type { Entry } from './entry.ts';
import type { PoolConnection } from './pool-connection.ts';

/** What a lease asks of the pool it came from. */
export interface LeaseOwner<T extends PoolConnection> {
  release(lease: Lease<T>): boolean;
  discard(lease: Lease<T>): void;
  isSpent(lease: Lease<T>): boolean;
}

/**
 * The right to use one connection until it is given back. Ends exactly once: by {@link release}, by {@link destroy},
 * by `await using`, or by a `put` of its connection.
 */
export class Lease<T extends PoolConnection> {
  readonly #owner: LeaseOwner<T>;
  /** The acquiring stack, kept only while leaks are looked for. @internal */
  readonly origin: Error | undefined;
  /** @internal */
  readonly entry: Entry<T>;

  /** Leases are made by pools. @internal */
  constructor(owner: LeaseOwner<T>, entry: Entry<T>, origin: Error | undefined) {
    this.#owner = owner;
    this.entry = entry;
    this.origin = origin;
  }

  /** @internal */
  isFrom(owner: LeaseOwner<T>): boolean {
    return this.#owner === owner;
  }

  /** The connection's ID, the same at both ends. */
  get id(): string {
    return this.entry.id;
  }

  /** The group the connection was put under. */
  get group(): string {
    return this.entry.group.name;
  }

  /** Whether it still has to be given back. */
  get held(): boolean {
    return this.entry.lease === this;
  }

  /** Whether its connection will be closed when it comes back: it is too old, or the pool was flushed meanwhile. */
  get spent(): boolean {
    return this.#owner.isSpent(this);
  }

  get connection(): T {
    return this.entry.connection;
  }

  /**
   * Gives the connection back.
   *
   * @returns true when it is idle again, false when it was closed instead (or had closed by itself)
   * @throws NotOwnedError when the lease has ended before
   */
  release(): boolean {
    return this.#owner.release(this);
  }

  /**
   * Closes the connection instead of giving it back.
   *
   * @throws NotOwnedError when the lease has ended before
   */
  destroy(): void {
    this.#owner.discard(this);
  }

  /** Releases, unless the lease has ended already. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.held) this.release();
    return Promise.resolve();
  }
}
