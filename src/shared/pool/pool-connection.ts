/** What the pool core asks of a connection: it may be a tunnel session, a raw socket, a database client. */
import type { CloseReason } from '../close-reason.ts';

/** Why `put` closed a connection instead of keeping it. */
export type PutRefusal = Extract<
  CloseReason,
  | 'stale'
  | 'unread'
  | 'unfinished'
  | 'draining'
  | 'duplicate-id'
  | 'pool-full'
  | 'pool-closed'
  | 'max-lifetime'
  | 'peer-closed'
>;

/** A connection as the core sees it. Only the first three members are required. */
export interface PoolConnection {
  /** Closed already, by whichever side. */
  readonly closed: boolean;
  /** The other end, for people, where there is one: `ip:port`. */
  readonly remote?: string;
  /** Closes at once and for good; a second call does nothing. */
  close(reason: CloseReason): void;
  /**
   * Registers the one listener that hears, once, that the connection has closed. The pool calls it when it takes the
   * connection in; a connection that closes itself says why.
   */
  onClose(listener: (reason: CloseReason) => void): void;
  /**
   * Says goodbye politely: tells the peer that nothing new may begin. An idle connection closes soon after, so that a
   * peer that is just about to use it loses nothing; one in use goes on, and is closed when it comes back. Without it
   * the pool calls {@link close} on idle connections, and says nothing to those in use.
   */
  retire?(reason: CloseReason, inUse?: boolean): void;
  /** Why it cannot be idle now; undefined when it can. Judged when it is put. */
  refusal?(): 'unfinished' | 'draining' | undefined;
  /** Bytes have arrived that nobody has read. */
  readonly unread?: boolean;
  /** It is idle from now on: watch it, and call `onUnread` when bytes arrive. */
  park?(onUnread: () => void): void;
  /** It is handed out: stop watching, leave every byte to the new holder. */
  unpark?(): void;
}
