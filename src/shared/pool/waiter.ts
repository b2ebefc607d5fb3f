import { offAbort, onAbort } from '../abort.ts';
import type { Clock, Timer } from '../clock.ts';
import type { GroupFilter } from './idle-list.ts';
import type { Linked } from './linked-list.ts';

/** How long to wait, and when to give up. */
export interface WaitOptions {
  /** ms; 0 is now or never, Infinity for ever. Default: the pool's `acquireTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Why one of several waits for the same is ended: the reason of its signal. Nobody needs to hear of it. */
export const WITHDRAWN = new Error('another pool was quicker, or nobody waits any more');

/** What a waiter needs to know to end by itself. */
export interface WaiterOptions {
  readonly clock: Clock;
  /** ms; Infinity waits for ever. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Makes the error for the time-out. */
  readonly timedOut: (waitedMs: number) => Error;
  /** Called when the waiter has ended by itself: it leaves its queue. */
  readonly left: () => void;
}

/** One pending acquire or get. It ends exactly once: granted, refused, timed out or aborted. */
export class Waiter<V> implements Linked<Waiter<V>> {
  readonly filter: GroupFilter | undefined;
  /** The wanted connection ID, for `get`. */
  readonly id: string | undefined;
  readonly startedAt: number;
  readonly promise: Promise<V>;
  previous: Waiter<V> | undefined;
  next: Waiter<V> | undefined;
  readonly #options: WaiterOptions;
  readonly #timer: Timer | undefined;
  #resolve!: (value: V) => void;
  #reject!: (reason: unknown) => void;
  #ended = false;

  constructor(options: WaiterOptions, filter: GroupFilter | undefined, id?: string) {
    this.#options = options;
    this.filter = filter;
    this.id = id;
    this.startedAt = options.clock.now();
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (options.timeoutMs !== Infinity) {
      this.#timer = options.clock.setTimeout(() => this.#leave(options.timedOut(this.waitedMs)), options.timeoutMs);
    }
    if (options.signal !== undefined) onAbort(options.signal, this.#aborted);
  }

  get waitedMs(): number {
    return this.#options.clock.now() - this.startedAt;
  }

  /** Whether a connection of that group is welcome. */
  accepts(group: string): boolean {
    const { filter } = this;
    if (filter === undefined) return true;
    return (filter.group === undefined || filter.group === group) && filter.notGroup !== group;
  }

  /** False when the waiter has ended already: the caller keeps the value. */
  grant(value: V): boolean {
    return this.#end(() => this.#resolve(value));
  }

  refuse(reason: unknown): boolean {
    return this.#end(() => this.#reject(reason));
  }

  readonly #aborted = (): void => this.#leave(this.#options.signal?.reason);

  #leave(reason: unknown): void {
    if (this.refuse(reason)) this.#options.left();
  }

  #end(settle: () => void): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    const { clock, signal } = this.#options;
    clock.clearTimeout(this.#timer);
    if (signal !== undefined) offAbort(signal, this.#aborted);
    settle();
    return true;
  }
}
