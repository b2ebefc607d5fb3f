import type { PoolConnection } from './pool-connection.ts';

/** How a connection is put. */
export interface PutOptions {
  /** Whose connection it is; the connections of a group share a LIFO. Default: one group for all. */
  readonly group?: string | undefined;
  /** Only the peer opens on it: it counts as idle, but only `get(id)` hands it out. Default false. */
  readonly passive?: boolean | undefined;
  /** Its lifetime is over so long from now, ms, if `maxLifetimeMs` does not end it before. Default Infinity. */
  readonly lifetimeMs?: number | undefined;
  /** The name of the token that let it in, for `connectionReady`. */
  readonly token?: string | undefined;
}

/** How a reservation ends: with a connection, or with nothing. Made by the pool that keeps the room. */
export type Settle<T> = (id?: string, connection?: T, options?: PutOptions) => boolean;

/** Room kept in a pool for one connection under way; ends exactly once, by {@link put} or {@link cancel}. */
export class Reservation<T extends PoolConnection> {
  #settle: Settle<T> | undefined;

  constructor(settle: Settle<T>) {
    this.#settle = settle;
  }

  /** Puts the finished connection into the room kept for it; as `pool.put` otherwise. False once it has ended. */
  put(id: string, connection: T, options: PutOptions = {}): boolean {
    return this.#take()?.(id, connection, options) ?? false;
  }

  /** Gives the room back. Does nothing once it has ended. */
  cancel(): void {
    this.#take()?.();
  }

  #take(): Settle<T> | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    return settle;
  }
}
