import type { Duplex } from 'node:stream';
import type { CloseReason } from '../close-reason.ts';
import type { PoolConnection } from './pool-connection.ts';

/** Hears the end of a raw connection before its pool does; `untouched`: neither side has ever used it. */
export type RawEndListener = (reason: CloseReason, untouched: boolean) => void;

/**
 * A pooled connection without a session: a socket, as the ancestor has it. While idle it is watched but not read, so
 * that every byte is still in {@link socket} when it is handed out. Whoever holds it reads and writes the socket.
 */
export class RawConnection implements PoolConnection {
  readonly id: string;
  /** TCP or TLS; half-open sockets are allowed. Bytes that came early are read first, as if they came now. */
  readonly socket: Duplex;
  /** The other end's address, for people. */
  readonly remote: string;
  readonly #onEnd: RawEndListener | undefined;
  #closed = false;
  #used = false;
  #onClose: ((reason: CloseReason) => void) | undefined;
  #onUnread: (() => void) | undefined;

  /** @param socket not flowing: what came right behind the tag is still in it */
  constructor(id: string, socket: Duplex, remote: string, onEnd?: RawEndListener) {
    this.id = id;
    this.socket = socket;
    this.remote = remote;
    this.#onEnd = onEnd;
    socket.on('error', () => this.#end('error'));
    socket.on('close', () => this.#end('peer-closed'));
  }

  /** A socket that its holder has destroyed says so only in the next tick. */
  get closed(): boolean {
    return this.#closed || this.socket.destroyed;
  }

  /** Bytes have arrived that nobody has read. */
  get unread(): boolean {
    return this.socket.readableLength > 0;
  }

  onClose(listener: (reason: CloseReason) => void): void {
    this.#onClose = listener;
  }

  /** A socket that one side has ended, or on which its last holder has left bytes to send, cannot serve another. */
  refusal(): 'unfinished' | undefined {
    const { readableEnded, writableEnded, writableLength } = this.socket;
    const unsent = this.#used && writableLength > 0;
    return readableEnded || writableEnded || unsent ? 'unfinished' : undefined;
  }

  close(reason: CloseReason): void {
    this.#end(reason);
  }

  park(onUnread: () => void): void {
    this.#onUnread = onUnread;
    this.socket.on('readable', this.#look).on('end', this.#ended);
    // Begins to read into the socket's own buffer: that is how the end and the first bytes show.
    this.socket.read(0);
  }

  unpark(): void {
    this.#used = true;
    this.#onUnread = undefined;
    this.socket.off('readable', this.#look).off('end', this.#ended);
  }

  readonly #look = (): void => {
    const onUnread = this.#onUnread;
    if (this.unread) {
      this.#onUnread = undefined;
      onUnread?.();
    } else {
      // Nothing to read, but something happened: at the end of the stream this makes 'end' come.
      this.socket.read(0);
    }
  };

  readonly #ended = (): void => this.#end('peer-closed');

  #end(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    const untouched = !this.#used && !this.unread;
    this.unpark();
    this.socket.destroy();
    this.#onEnd?.(reason, untouched);
    this.#onClose?.(reason);
  }
}
