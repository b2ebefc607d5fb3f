import type { CloseReason } from '../../src/shared/close-reason.ts';
import { ConnectionPool } from '../../src/shared/pool/connection-pool.ts';
import type { PoolConnection } from '../../src/shared/pool/pool-connection.ts';
import type { PoolOptions } from '../../src/shared/pool/pool-options.ts';
import { type ManualClock, manualClock } from './clock.ts';

/** A connection without a socket, which remembers what its pool does with it. */
export class FakeConnection implements PoolConnection {
  readonly id: string;
  closed = false;
  unread = false;
  /** What {@link refusal} answers. */
  state: 'unfinished' | 'draining' | undefined;
  /** Why it was closed, and by whom it was told to go. */
  closedFor: CloseReason | undefined;
  retiredFor: CloseReason | undefined;
  parked = false;
  #onClose: ((reason: CloseReason) => void) | undefined;
  #onUnread: (() => void) | undefined;

  constructor(id: string) {
    this.id = id;
  }

  close(reason: CloseReason): void {
    if (this.closed) return;
    this.closed = true;
    this.closedFor = reason;
    this.#onClose?.(reason);
  }

  onClose(listener: (reason: CloseReason) => void): void {
    this.#onClose = listener;
  }

  refusal(): 'unfinished' | 'draining' | undefined {
    return this.state;
  }

  park(onUnread: () => void): void {
    this.parked = true;
    this.#onUnread = onUnread;
  }

  unpark(): void {
    this.parked = false;
    this.#onUnread = undefined;
  }

  /** Bytes arrive from the peer. */
  receive(): void {
    this.unread = true;
    const listener = this.#onUnread;
    this.#onUnread = undefined;
    listener?.();
  }
}

/** The same, with a polite end: it closes when the test says so. */
export class PoliteConnection extends FakeConnection {
  retire(reason: CloseReason): void {
    this.retiredFor = reason;
  }
}

/** A pool over a driven clock, its lifetimes without jitter. */
export function poolOf(options: PoolOptions = {}): { pool: ConnectionPool<FakeConnection>; time: ManualClock } {
  const time = manualClock();
  return { pool: new ConnectionPool<FakeConnection>({ clock: time.clock, random: () => 0, ...options }), time };
}

/** Puts new connections of these IDs, and returns them in order. */
export function fill(pool: ConnectionPool<FakeConnection>, ids: readonly string[], group?: string): FakeConnection[] {
  return ids.map((id) => {
    const connection = new FakeConnection(id);
    pool.put(id, connection, { group });
    return connection;
  });
}
