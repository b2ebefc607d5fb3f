/** Whether a session's socket is read. There are two reasons not to, and either is enough. */
import type { Duplex } from 'node:stream';

/**
 * Answers that may be unsent, bytes. Far more than a peer that reads ever leaves, which is a PONG or two: beyond it, the
 * other side makes this one speak and does not listen.
 */
const MAX_UNSENT_ANSWERS = 16 * 1024;

/**
 * Stops a socket while its visit's receiver is slow, and while too many answers to what came wait to be sent. What stands
 * before the answers, or behind them, may be a visit's bytes: only the answers count, so nobody is stopped for those.
 */
export class Reading {
  readonly #socket: Duplex;
  #paused = false;
  #stopped = false;
  /** Frames written that will be said to have gone, and those that have. */
  #written = 0;
  #gone = 0;
  /** Bytes of answers, all of which have gone when so many frames have. */
  #answers = 0;
  #goneAt = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** The visit's receiver is slow. */
  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#stopped) this.#socket.resume();
  }

  /** A frame is written of which {@link left} tells later. */
  wrote(): void {
    this.#written += 1;
  }

  /** So many bytes in the frames written so far answer what the other side said. */
  answered(bytes: number): void {
    if (bytes === 0) return;
    this.#answers += bytes;
    this.#goneAt = this.#written;
    if (this.#stopped || this.#answers <= MAX_UNSENT_ANSWERS) return;
    this.#stopped = true;
    this.#socket.pause();
  }

  /** The next of the frames written has gone. */
  left(): void {
    this.#gone += 1;
    if (this.#answers === 0 || this.#gone < this.#goneAt) return;
    this.#answers = 0;
    if (!this.#stopped) return;
    this.#stopped = false;
    if (!this.#paused) this.#socket.resume();
  }
}
