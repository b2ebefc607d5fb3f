import type { ClientPool } from './client-pool.ts';

/** What somebody wants to hear of a server. */
export interface KnownServerOwner {
  /** A connection has been made. */
  onConnected(server: KnownServer): void;
  /** A connection has ended, or could not be made. */
  onLoss(server: KnownServer): void;
}

/** One server of a client: its pool, and what may be expected of it. */
export class KnownServer {
  /** For people: its address, or `server 1` where it is connected to by other means. */
  readonly server: string;
  readonly pool: ClientPool;
  /** Its dials fail, or it has said goodbye, and no connection has been made since. */
  #failing = false;

  constructor(server: string, pool: ClientPool, owner: KnownServerOwner) {
    this.server = server;
    this.pool = pool;
    const lost = (): void => {
      this.#failing = true;
      owner.onLoss(this);
    };
    pool.on('dialed', () => (this.#failing = false));
    pool.on('connectionReady', () => owner.onConnected(this));
    pool.on('dialFailed', lost);
    pool.on('connectionClosed', ({ reason }) => (reason === 'drained' ? lost() : owner.onLoss(this)));
  }

  /** Whether it can carry another visit: now, or when one of its connections is idle again. */
  get able(): boolean {
    const { ready, idle, inUse } = this.pool;
    return ready && (idle > 0 || (inUse > 0 && !this.#failing));
  }

  /** Whether it is connected, or would be if connections were wanted. */
  get there(): boolean {
    const { idle, inUse, capacity } = this.pool;
    return idle + inUse > 0 || (capacity === 0 && !this.#failing);
  }
}
