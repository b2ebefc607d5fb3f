import { offAbort, onAbort } from '../abort.ts';
import type { Linked } from '../pool/linked-list.ts';
import type { Timer } from '../clock.ts';
import type { CallFacts } from './call-facts.ts';
import { RequestTimeoutError } from './request-errors.ts';

/** A connection may owe the reply to an aborted request for so long, ms, if the request's own time is not over before. */
const ABANDONED_MS = 5000;

/**
 * - `queued`: waits for room on a connection
 * - `sent`: written, its reply is to come
 * - `pausing`: waits until it may be tried
 * - `over`: its caller has heard, or another try has taken its place; if it was sent, its place on the connection stays until
 *   the reply is there
 */
export type CallState = 'queued' | 'sent' | 'pausing' | 'over';

/** One try of one request. It is in at most one list: the queue's, or that of its connection. */
export class Call<Req, Rep> implements Linked<Call<Req, Rep>>, CallFacts<Req> {
  readonly request: Req;
  readonly idempotent: boolean;
  readonly timeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** When the first try was asked for. */
  readonly startedAt: number;
  /** Tries so far, this one included. */
  readonly attempts: number;
  readonly promise: Promise<Rep>;
  state: CallState = 'queued';
  /** When its time is over, or that of all tries. */
  limit: number;
  /** Its time was over while its connection still had to answer it. */
  overdue = false;
  /** Its caller has left, and its connection has less time for it than it had: if it is late, that says nothing. */
  isCut = false;
  /** On its connection, where calls have one. */
  id = 0;
  /** Of the breaker of the server that it was sent to. */
  generation = 0;
  pause: Timer | undefined;
  previous: Call<Req, Rep> | undefined;
  next: Call<Req, Rep> | undefined;
  #resolve!: (reply: Rep) => void;
  #reject!: (error: unknown) => void;
  #onAbort: (() => void) | undefined;

  /** @param earlier the try that failed, whose caller this one answers */
  constructor(facts: CallFacts<Req>, now: number, earlier?: Call<Req, Rep>) {
    this.request = facts.request;
    this.idempotent = facts.idempotent;
    this.timeoutMs = facts.timeoutMs;
    this.totalTimeoutMs = facts.totalTimeoutMs;
    this.signal = facts.signal;
    if (earlier === undefined) {
      this.startedAt = now;
      this.attempts = 1;
      this.promise = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
    } else {
      earlier.#over();
      this.startedAt = earlier.startedAt;
      this.attempts = earlier.attempts + 1;
      this.promise = earlier.promise;
      this.#resolve = earlier.#resolve;
      this.#reject = earlier.#reject;
    }
    this.limit = 0;
    this.begin(now);
  }

  /** When the time of all tries is over. */
  get endsAt(): number {
    return this.startedAt + this.totalTimeoutMs;
  }

  /** The time of this try begins. */
  begin(now: number): void {
    this.state = 'queued';
    this.pause = undefined;
    this.limit = Math.min(now + this.timeoutMs, this.startedAt + this.totalTimeoutMs);
  }

  /**
   * Nobody waits for its reply any more, for its signal has aborted. Returns within what time it is to be there all the same, ms.
   *
   * @param alone whether it has its connection to itself: the next one would only wait for it
   */
  abandon(now: number, alone: boolean): number {
    // A signal that times out is a limit as any other.
    const isTimeout = (this.signal?.reason as { readonly name?: unknown } | undefined)?.name === 'TimeoutError';
    const owedMs = alone || isTimeout ? 0 : ABANDONED_MS;
    if (now + owedMs < this.limit) {
      this.limit = now + owedMs;
      this.isCut = !isTimeout;
    }
    return owedMs;
  }

  /** What its caller is told at its limit. */
  timedOut(sent: boolean): RequestTimeoutError {
    const total = this.limit === this.endsAt;
    return new RequestTimeoutError(total ? this.totalTimeoutMs : this.timeoutMs, sent, total);
  }

  /** How soon its limit comes once it begins, ms: how closely it is to be looked after. */
  get span(): number {
    const span = Math.min(this.timeoutMs, this.totalTimeoutMs);
    return this.state === 'over' ? Math.min(span, ABANDONED_MS) : span;
  }

  /** Has `aborted` called when its signal aborts before it is over. */
  heed(aborted: () => void): void {
    if (this.signal === undefined) return;
    this.#onAbort = aborted;
    onAbort(this.signal, aborted);
  }

  /** Ends it; the caller knows that it is not over yet. */
  answer(reply: Rep): void {
    this.#over();
    this.#resolve(reply);
  }

  fail(error: unknown): void {
    this.#over();
    this.#reject(error);
  }

  #over(): void {
    this.state = 'over';
    if (this.#onAbort === undefined || this.signal === undefined) return;
    offAbort(this.signal, this.#onAbort);
    this.#onAbort = undefined;
  }
}
