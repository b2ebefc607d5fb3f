import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { CloseReason } from '../shared/close-reason.ts';
import type { PoolConnection } from '../shared/pool/pool-connection.ts';

/** What a connection carries. */
export interface Carried {
  /** Nothing has moved for as long as may be; {@link ServerConnection.awaitMore} waits once more. */
  onSilent(): void;
  /** It is free for the next request, or closed. */
  onGone(): void;
}

/** Whoever keeps connections. */
export interface ServerConnectionOwner {
  /** What it carried is over, and a turn of the event loop has brought nothing more. */
  onFree(connection: ServerConnection): void;
  /** The server has ended a kept connection unannounced. */
  doubt(): void;
}

/** Written where a connection has ended, to learn whether it was reset: as a relay does, see there. */
const NOTHING = Buffer.alloc(0);

/**
 * A connection to an HTTP server, as its pool sees it. To a request of Node's it is an agent that has one socket: when the
 * request is over, Node says 'free' to the socket.
 */
export class ServerConnection implements PoolConnection {
  /** In its pool. */
  readonly id: string;
  readonly socket: Socket;
  /** For Node: whether it is to be kept behind the next request. */
  keepAlive = true;
  /** For Node. */
  readonly maxSockets = Infinity;
  /** How long it may be idle, ms, where that is less than its pool allows. */
  keptMs = Infinity;
  /** Its end was none, but a reset. */
  wasReset = false;
  carried: Carried | undefined;
  readonly #owner: ServerConnectionOwner;
  readonly #timeoutMs: number;
  #isIdle = false;
  #closed = false;
  #onClose: ((reason: CloseReason) => void) | undefined;

  /** @param timeoutMs how long it may be silent while it carries something, ms */
  constructor(id: string, socket: Socket, timeoutMs: number, owner: ServerConnectionOwner) {
    this.id = id;
    this.socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#owner = owner;
    // All of it once for its life, for a request has no time for that; what moves starts the time-out anew by itself.
    socket.setTimeout(timeoutMs).on('data', this.#onData);
    socket.on('timeout', () => this.#silent()).on('free', () => this.#freed());
    // Before the request hears of it, and takes it for the end of its answer.
    socket.on('end', this.#onEnd);
    // 'close' follows an error, and says what matters; but first to the request that is on it.
    socket.on('error', ignore).on('close', () => queueMicrotask(() => this.close('peer-closed')));
  }

  get closed(): boolean {
    return this.#closed || this.socket.destroyed;
  }

  /** What Node asks of an agent. */
  addRequest(request: ClientRequest): void {
    request.onSocket(this.socket);
  }

  /** Waits anew for something to move. */
  awaitMore(): void {
    this.socket.setTimeout(this.#timeoutMs);
  }

  onClose(listener: (reason: CloseReason) => void): void {
    this.#onClose = listener;
  }

  park(): void {
    this.#isIdle = true;
    if (this.keptMs !== Infinity) this.socket.setTimeout(this.keptMs);
  }

  unpark(): void {
    this.#isIdle = false;
    if (this.keptMs !== Infinity) this.awaitMore();
  }

  close(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.socket.destroy();
    this.#onClose?.(reason);
    this.#leave();
  }

  /** It is somebody else's now, who sees to its end; it is gone with it. */
  letGo(): void {
    this.socket.setTimeout(0).off('data', this.#onData).off('end', this.#onEnd);
  }

  /** A turn has brought nothing more: it is free for the next one. */
  settle(): void {
    if (this.#closed) return;
    this.#owner.onFree(this);
    this.#leave();
  }

  #silent(): void {
    if (!this.#isIdle) this.carried?.onSilent();
    else if (this.keptMs !== Infinity) this.close('idle-timeout');
  }

  /** What a server sends beyond its answer is nobody's, least of all the next one's: it has a turn to show. */
  #freed(): void {
    if (this.#closed) return;
    this.#isIdle = true;
    if (freed.push(this) === 1) setImmediate(settleAll);
  }

  #leave(): void {
    const { carried } = this;
    this.carried = undefined;
    carried?.onGone();
  }

  readonly #onEnd = (): void => {
    if (this.#isIdle) {
      this.#owner.doubt();
      this.close('peer-closed');
    } else if (this.socket.writable) {
      this.socket.write(NOTHING, (error?: NodeJS.ErrnoException | null) => {
        this.wasReset = error?.code === 'ECONNRESET' || error?.code === 'EPIPE';
      });
    }
  };

  readonly #onData = (): void => {
    if (this.#isIdle) this.close('unread');
  };
}

/** Those that became free in this turn. */
const freed: ServerConnection[] = [];

function settleAll(): void {
  for (const connection of freed.splice(0)) connection.settle();
}

function ignore(): void {}
