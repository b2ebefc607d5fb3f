/** Requests over pools: who waits, what is tried again, and where. */
import { type CircuitOpenError, PoolClosedError, QueueFullError } from '../errors.ts';
import { Events } from '../events.ts';
import { Housekeeper } from '../pool/housekeeper.ts';
import { Call } from './call.ts';
import { factsOf } from './call-facts.ts';
import { Deadlines } from './deadlines.ts';
import { type RequestError, RequestTimeoutError, TransientRequestError } from './request-errors.ts';
import type { RequestEventMap } from './request-events.ts';
import { askForEach, type ManyReplies } from './request-many.ts';
import {
  type CheckedRequestOptions,
  checkRequestOptions,
  type RequestClientOptions,
  type RequestOptions,
} from './request-options.ts';
import type { RequestStats } from './request-stats.ts';
import { mayRetry, retryPauseMs } from './retry-pause.ts';
import { Tally } from './tally.ts';
import { UNUSED_MS, type Upstream, type UpstreamOwner } from './upstream.ts';
import { Upstreams } from './upstreams.ts';
import { Waiting } from './waiting.ts';

/** `ready` → `closing` (waits for what is under way) → `closed`. */
export type RequestClientState = 'ready' | 'closing' | 'closed';

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

/** The most requests of one `requestMany` that are under way at once. */
const MANY_AT_ONCE = 1024;

/** The housekeeper looks eight times within this: an unused line is given back when it is found so for a second. */
const HOUSEKEEPING_MS = UNUSED_MS * 4;

/**
 * Requests of any protocol that a codec knows, over a pool of connections to each of several servers. What is asked for in
 * one turn of the event loop leaves in one write for each connection. Requests are bounded in number and in time.
 */
export class RequestClient<Req, Rep> extends Events<RequestEventMap> implements AsyncDisposable {
  readonly #options: CheckedRequestOptions<Req, Rep>;
  readonly #upstreams: Upstreams<Req, Rep>;
  readonly #waiting: Waiting<Req, Rep>;
  readonly #deadlines: Deadlines;
  readonly #housekeeper: Housekeeper;
  readonly #answeredEar = this.ear('answered');
  readonly #tally = new Tally();
  #state: RequestClientState = 'ready';
  /** What is queued is about to be served. */
  #scheduled = false;
  /** The clock, read once a turn. */
  #now: number | undefined;
  #closing: Promise<void> | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: RequestClientOptions<Req, Rep>) {
    super('request');
    const checked = checkRequestOptions(options);
    this.#options = checked;
    this.#waiting = new Waiting(checked.clock);
    const owner: UpstreamOwner<Req, Rep> = {
      answered: (call, reply) => this.#answered(call, reply),
      tryFailed: (call, error, upstream) => this.#tryFailed(call, error, upstream),
      openFailed: (upstream, error) => this.#openFailed(upstream, error),
      changed: () => this.#schedule(),
      tell: (event, facts) => {
        if (this.heard(event)) this.tell(event, { client: this.name, ...facts } as RequestEventMap[typeof event][0]);
      },
    };
    this.#upstreams = new Upstreams(checked, owner);
    this.#deadlines = new Deadlines(checked.clock, (now) => this.#sweep(now));
    this.#housekeeper = new Housekeeper(checked.clock, [HOUSEKEEPING_MS], (now) => this.#tidy(now));
  }

  get name(): string {
    return this.#options.name;
  }
  get state(): RequestClientState {
    return this.#state;
  }

  /** A snapshot of all numbers. */
  stats(): RequestStats {
    const servers = this.#upstreams.all.map((upstream) => upstream.stats());
    const { queue, pausing } = this.#waiting;
    return { name: this.name, ...this.#tally.totals, queued: queue.size, pausing, servers };
  }

  /**
   * The reply to one request. What may be sent again (`idempotent`, or it was never written) is tried as often as the
   * options have it.
   *
   * @throws RequestError by its class, CircuitOpenError when no server may be asked, QueueFullError, PoolClosedError, or the
   * signal's reason
   */
  request(request: Req, options?: RequestOptions): Promise<Rep> {
    try {
      const call = this.#make(request, options);
      this.#tally.totals.requests += 1;
      this.#enqueue(call);
      return call.promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * A request for each of the keys, which are asked for once: what succeeded and what failed, and why. Rejects only with what
   * the keys throw themselves.
   */
  requestMany<K>(
    keys: Iterable<K>,
    requestFor: (key: K) => Req,
    options?: RequestOptions,
  ): Promise<ManyReplies<K, Rep>> {
    const atOnce = Math.min(MANY_AT_ONCE, this.#options.maxWaiting);
    return askForEach(keys, async (key) => await this.request(requestFor(key), options), atOnce);
  }

  /**
   * Refuses new requests, waits for those under way until the grace is over (ms; Infinity never is), then ends them and
   * closes the connections. Further calls wait for the same end.
   */
  close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  /** Closes everything at once; what is under way fails with a PoolClosedError whose cause is `error`. */
  destroy(error?: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const closed = new PoolClosedError(this.name, { cause: error });
    for (const call of this.#waiting.takeAll()) this.#fail(call, closed);
    for (const upstream of this.#upstreams.all) upstream.destroy(error);
    this.#deadlines.stop();
    this.#housekeeper.stop();
    this.#tally.endWait();
    if (this.heard('clientClosed')) this.tell('clientClosed', { client: this.name });
  }

  /** Closes with the default grace, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The time, as of this turn of the event loop: for each request a reading would cost more than its place in the queue. */
  get #time(): number {
    this.#now ??= this.#options.clock.now();
    return this.#now;
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    if (this.#tally.underWay > 0) await this.#tally.wait(this.#options.clock, graceMs);
    this.destroy();
  }

  /** @throws why there is none */
  #make(request: Req, options: RequestOptions = {}): Call<Req, Rep> {
    const { maxWaiting } = this.#options;
    if (this.#state !== 'ready') throw new PoolClosedError(this.name);
    options.signal?.throwIfAborted();
    if (this.#waiting.size >= maxWaiting) {
      this.#tally.totals.turnedAway += 1;
      throw new QueueFullError(maxWaiting, this.#upstreams.level(this.#waiting.size));
    }
    const call = new Call<Req, Rep>(factsOf(request, options, this.#options), this.#time);
    if (call.signal !== undefined) call.heed(() => this.#abort(call));
    return call;
  }

  #schedule(): void {
    if (this.#scheduled || this.#state === 'closed') return;
    this.#scheduled = true;
    // One at a time, there is no company to wait for.
    if (this.#options.depth === 1) queueMicrotask(this.#serve);
    else setImmediate(this.#serve);
  }

  /** The end of a turn: what is queued is written, as far as there is room. */
  readonly #serve = (): void => {
    this.#scheduled = false;
    this.#now = undefined;
    const { queue } = this.#waiting;
    if (queue.size > 0) this.#housekeeper.start();
    this.#upstreams.serve(queue);
    if (queue.size > 0 && !this.#upstreams.promising) this.#failQueued(this.#upstreams.circuitOpen());
  };

  #openFailed({ name }: Upstream<Req, Rep>, error: unknown): void {
    if (this.#state === 'closed') return;
    if (this.#upstreams.promising || this.#upstreams.hasFresh()) return this.#schedule();
    const why = error instanceof Error ? error.message : String(error);
    this.#failQueued(new TransientRequestError(`${name} cannot be reached: ${why}`, { cause: error }));
  }

  #failQueued(error: RequestError | CircuitOpenError): void {
    for (const call of this.#waiting.takeQueued()) this.#tryFailed(call, error);
  }

  #answered(call: Call<Req, Rep>, reply: Rep): void {
    this.#tally.totals.answered += 1;
    call.answer(reply);
    if (this.#answeredEar.open) {
      const { attempts, startedAt } = call;
      const durationMs = this.#options.clock.now() - startedAt;
      this.tell('answered', { client: this.name, attempts, durationMs });
    }
    this.#tally.settled();
  }

  /** A try that is in no list, or only keeps its place on its connection, has failed. */
  #tryFailed(call: Call<Req, Rep>, error: RequestError | CircuitOpenError, from?: Upstream<Req, Rep>): void {
    const { retry, clock, random } = this.#options;
    const { attempts, idempotent, endsAt } = call;
    if (error instanceof RequestTimeoutError) this.#tally.totals.timeouts += 1;
    if (this.#state === 'closed') return this.#fail(call, new PoolClosedError(this.name, { cause: error }));
    if (attempts >= retry.maxAttempts || !mayRetry(error, idempotent, retry)) return this.#fail(call, error);
    const elsewhere = from?.down === true && this.#upstreams.hasFresh(from);
    const pauseMs = elsewhere ? 0 : retryPauseMs(attempts, error, retry, random);
    const now = clock.now();
    if (now + pauseMs >= endsAt) return this.#fail(call, error);
    this.#tally.totals.retries += 1;
    const again = this.#nextTry(call, now);
    if (this.heard('retried')) {
      this.tell('retried', { client: this.name, attempts, retryInMs: pauseMs, error });
    }
    // A listener may have aborted the request.
    if (again.state === 'over') return;
    if (pauseMs === 0 || this.state === 'closed') this.#enqueue(again);
    else this.#waiting.pause(again, pauseMs, () => this.#enqueue(again));
  }

  /** In no list yet: a listener may abort it as if it paused. */
  #nextTry(call: Call<Req, Rep>, now: number): Call<Req, Rep> {
    const again = new Call<Req, Rep>(call, now, call);
    again.state = 'pausing';
    if (again.signal !== undefined) again.heed(() => this.#abort(again));
    return again;
  }

  #enqueue(call: Call<Req, Rep>): void {
    if (this.#state === 'closed') return this.#fail(call, new PoolClosedError(this.name));
    call.state = 'queued';
    this.#deadlines.expect(call.span);
    this.#waiting.queue.addLast(call);
    this.#schedule();
  }

  #fail(call: Call<Req, Rep>, error: unknown): void {
    this.#tally.totals.failed += 1;
    call.fail(error);
    if (this.heard('failed')) {
      const { attempts, startedAt } = call;
      const durationMs = this.#options.clock.now() - startedAt;
      this.tell('failed', { client: this.name, attempts, durationMs, error });
    }
    this.#tally.settled();
  }

  #abort(call: Call<Req, Rep>): void {
    this.#waiting.withdraw(call);
    const { clock, depth } = this.#options;
    if (call.state === 'sent') this.#deadlines.expect(call.abandon(clock.now(), depth === 1));
    this.#tally.totals.aborted += 1;
    call.fail(call.signal?.reason);
    this.#tally.settled();
  }

  #sweep(now: number): number {
    for (const call of this.#waiting.takeQueued(({ limit }) => limit <= now)) {
      for (const upstream of this.#upstreams.all) upstream.keptWaiting();
      this.#tryFailed(call, call.timedOut(false));
    }
    let { shortest } = this.#waiting;
    for (const upstream of this.#upstreams.all) shortest = Math.min(shortest, upstream.sweep(now));
    return shortest;
  }

  #tidy(now: number): void {
    for (const upstream of this.#upstreams.all) upstream.rest(now);
    if (!this.#upstreams.busy) this.#housekeeper.stop();
  }
}
