/** One server of a request client: its pool, its breaker, and the connections that requests are on. */
import type { Duplex } from 'node:stream';
import type { CloseReason } from '../close-reason.ts';
import { ProtocolError } from '../errors.ts';
import type { LinkedList } from '../pool/linked-list.ts';
import { Breaker } from '../resilience/breaker.ts';
import type { Call } from './call.ts';
import type { ReplyFailure } from './codec.ts';
import { heardStreams } from './heard-streams.ts';
import { Line, type LineOwner, type LineRules } from './line.ts';
import {
  ConnectionLostError,
  PermanentRequestError,
  type RequestError,
  TransientRequestError,
} from './request-errors.ts';
import type { RequestEventMap } from './request-events.ts';
import type { CheckedRequestOptions, RequestServer } from './request-options.ts';
import type { RequestServerStats } from './request-stats.ts';
import { ResourcePool } from './resource-pool.ts';

/** A connection is worth a write of its own for so many requests. */
const MIN_SHARE = 16;

/** An unused connection goes back to its pool after so long, ms: there it is aged, tested and watched. */
export const UNUSED_MS = 1000;

/** Who hears of a server. */
export interface UpstreamOwner<Req, Rep> {
  answered(call: Call<Req, Rep>, reply: Rep): void;
  /** A try has failed. */
  tryFailed(call: Call<Req, Rep>, error: RequestError, upstream: Upstream<Req, Rep>): void;
  /** No connection could be made. */
  openFailed(upstream: Upstream<Req, Rep>, error: unknown): void;
  /** There may be room, or somebody else is to be asked. */
  changed(): void;
  tell<K extends 'lineOpened' | 'lineEnded' | 'breakerChanged'>(
    event: K,
    facts: Omit<RequestEventMap[K][0], 'client'>,
  ): void;
}

export class Upstream<Req, Rep> implements LineOwner<Req, Rep> {
  readonly name: string;
  readonly pool: ResourcePool<Duplex>;
  readonly breaker: Breaker;
  readonly #options: CheckedRequestOptions<Req, Rep>;
  readonly #rules: LineRules<Req, Rep>;
  readonly #owner: UpstreamOwner<Req, Rep>;
  readonly #lines: Line<Req, Rep>[] = [];
  /** Where the next turn begins, so that no line is always the last. */
  #first = 0;
  #opening = 0;
  /** Until when others are asked first, the clock's ms: for ever where only a sign of life can end it, 0 while all is well. */
  #downUntil = 0;
  #openError: unknown;

  constructor(server: RequestServer, options: CheckedRequestOptions<Req, Rep>, owner: UpstreamOwner<Req, Rep>) {
    const { codec, mode, depth, maxConnections: max, clock, random, name, breaker } = options;
    this.name = server.name;
    this.#options = options;
    this.#rules = { codec, multiplex: mode === 'multiplex', depth };
    this.#owner = owner;
    const factory = heardStreams(server.factory);
    this.pool = new ResourcePool({ ...options.pool, name: `${name}/${server.name}`, max, factory, clock, random });
    this.breaker = new Breaker({
      name: server.name,
      failures: breaker.maxFailures,
      openMs: breaker.resetTimeoutMs,
      clock,
      onChange: (state) => {
        this.#owner.tell('breakerChanged', { server: this.name, state });
        this.#owner.changed();
      },
      onTrial: () => this.#owner.changed(),
    });
  }

  /**
   * Whether its last sign of life was a bad one, or there was none where one was due: others are asked first. A connection
   * that is made or lost says so at once; who does not answer is asked again after the breaker's pause.
   */
  get down(): boolean {
    return this.#downUntil > 0 && this.#downUntil > this.#options.clock.now();
  }
  /** Whether requests can be put on a connection, now or when there is room. */
  get serving(): boolean {
    return this.#lines.length > 0 && this.breaker.state === 'closed';
  }
  /** Whether requests will be, without more being done. */
  get settled(): boolean {
    return this.promising && this.breaker.state === 'closed';
  }
  /** Whether who waits may be served without more being done, be it after others. */
  get promising(): boolean {
    return this.#opening + this.#lines.length > 0 && this.breaker.state !== 'open';
  }

  /** Puts what its lines have room for on them: one write for each line. */
  serve(queue: LinkedList<Call<Req, Rep>>): void {
    const lines = this.#lines;
    const { state, generation } = this.breaker;
    if (state === 'open') return;
    if (state === 'half-open') return this.#tryOne(queue);
    const { length } = lines;
    for (let left = length; left > 0 && queue.size > 0; left -= 1) {
      const line = lines[(this.#first + left) % length];
      const share = Math.max(MIN_SHARE, Math.ceil(queue.size / left));
      const most = Math.min(line?.room ?? 0, share);
      if (most > 0) line?.send(queue, most, generation);
    }
    this.#first = (this.#first + 1) % Math.max(1, length);
  }

  /** Sees to it that so many lines are being opened, as far as there is room; nothing while the breaker keeps it. */
  open(wanted: number): void {
    if (!this.breaker.ready || !this.pool.ready) return;
    const room = this.#fit() - this.#lines.length - this.#opening;
    for (let left = Math.min(wanted - this.#opening, room); left > 0; left -= 1) void this.#open();
  }

  /** A request has waited in vain: if that was for the first connection here, others are asked first from now on. */
  keptWaiting(): void {
    if (this.#opening > 0 && this.#lines.length === 0) this.#downUntil = Infinity;
  }

  answered(call: Call<Req, Rep>, reply: Rep): void {
    const failure = this.#judge(reply);
    if (failure?.kind === 'transient') this.breaker.failed(call.generation);
    else {
      this.#downUntil = 0;
      this.breaker.succeeded(call.generation);
    }
    if (call.state === 'over') return;
    if (failure === undefined) return this.#owner.answered(call, reply);
    const { kind, error } = failure;
    const Failure = kind === 'transient' ? TransientRequestError : PermanentRequestError;
    this.#owner.tryFailed(call, new Failure(`${this.name} answers: ${error.message}`, { cause: error }), this);
  }

  unsendable(call: Call<Req, Rep>, error: unknown): void {
    this.breaker.abandoned(call.generation);
    // There is room for the next one.
    this.#owner.changed();
    // The codec is the caller's, and may have aborted the request.
    if (call.state === 'over') return;
    const message = `the codec cannot write the request: ${error instanceof Error ? error.message : String(error)}`;
    this.#owner.tryFailed(call, new PermanentRequestError(message, { cause: error }), this);
  }

  changed(): void {
    this.#owner.changed();
  }

  ended(
    line: Line<Req, Rep>,
    reason: CloseReason | 'released',
    unanswered: Iterable<Call<Req, Rep>>,
    error?: unknown,
  ): void {
    this.#lines.splice(this.#lines.indexOf(line), 1);
    this.#fit();
    // Each try that follows takes the place of one of these: they are looked at once.
    const all = [...unanswered];
    const lost = all.filter(({ state }) => state === 'sent');
    const [first] = lost;
    if (first !== undefined) {
      this.#downUntil = Infinity;
      this.breaker.failed(first.generation);
    }
    for (const { generation } of all) this.breaker.abandoned(generation);
    for (const call of lost) {
      // A listener may have aborted it.
      if (call.state === 'sent') this.#owner.tryFailed(call, new ConnectionLostError(this.name, error), this);
    }
    this.#owner.tell('lineEnded', { server: this.name, id: line.id, reason, lost: lost.length });
    this.#owner.changed();
  }

  /** Ends the tries that are overdue. Returns the shortest time-out of those that are left, ms. */
  sweep(now: number): number {
    let shortest = Infinity;
    for (const line of [...this.#lines]) {
      for (const call of line.calls) {
        if (call.limit <= now) this.#overdue(line, call);
        else if (!call.overdue) shortest = Math.min(shortest, call.span);
      }
      line.loseIfHopeless();
    }
    return shortest;
  }

  /** Gives back the lines that are unused, and, one by one, those that are too old. */
  rest(now: number): void {
    for (const line of [...this.#lines]) {
      if (line.inFlight === 0) line.unusedSince ??= now;
      const isUnused = line.unusedSince !== undefined && now - line.unusedSince >= UNUSED_MS;
      if (isUnused || (line.spent && !this.#isResting)) line.rest();
    }
  }

  get busy(): boolean {
    return this.#lines.length > 0 || this.#opening > 0;
  }

  stats(): RequestServerStats {
    const inFlight = this.#lines.reduce((sum, line) => sum + line.inFlight, 0);
    const { name, breaker } = this;
    const [lines, opening] = [this.#lines.length, this.#opening];
    return { name, breaker: breaker.state, lines, opening, inFlight, pool: this.pool.stats() };
  }

  destroy(error?: Error): void {
    this.breaker.stop();
    for (const line of [...this.#lines]) line.lose('pool-closed');
    this.pool.destroy(error);
  }

  /** One that takes no more, and has still to answer: as long as there is one, another may be opened in its place. */
  get #isResting(): boolean {
    return this.#lines.some(({ state }) => state === 'resting');
  }

  /** Fits the pool to how many connections there may be now; returns that. */
  #fit(): number {
    const max = this.#options.maxConnections + (this.#isResting ? 1 : 0);
    if (this.pool.max !== max) this.pool.setMax(max);
    return max;
  }

  /** A circuit that is half open lets one request through. */
  #tryOne(queue: LinkedList<Call<Req, Rep>>): void {
    const line = this.#lines.find(({ room }) => room > 0);
    if (line === undefined || queue.size === 0 || !this.breaker.allows()) return;
    line.send(queue, 1, this.breaker.generation);
  }

  async #open(): Promise<void> {
    const { generation } = this.breaker;
    this.#opening += 1;
    try {
      const line = await this.#newLine().finally(() => {
        this.#opening -= 1;
      });
      // Who did not answer may well accept.
      if (this.#downUntil === Infinity) this.#downUntil = 0;
      this.#lines.push(line);
      this.#owner.tell('lineOpened', { server: this.name, id: line.id });
      this.#owner.changed();
    } catch (error) {
      this.#downUntil = Infinity;
      // Those who wait for the same connect fail with the same error.
      if (error !== this.#openError) this.breaker.failed(generation);
      this.#openError = error;
      this.#owner.openFailed(this, error);
    }
  }

  async #newLine(): Promise<Line<Req, Rep>> {
    const lease = await this.pool.acquire({ timeoutMs: Infinity });
    try {
      const { closed, value } = lease.connection;
      if (closed || value.destroyed) throw new ProtocolError('a connection was closed before anything was asked');
      // Not every factory watches what is idle, or reads a greeting: such bytes would be taken for the first reply.
      if (value.readableLength > 0) {
        throw new ProtocolError('bytes came on a connection before anything was asked; have its factory read them');
      }
      return new Line(lease, this.#rules, this);
    } catch (error) {
      lease.destroy();
      throw error;
    }
  }

  #overdue(line: Line<Req, Rep>, call: Call<Req, Rep>): void {
    if (call.overdue) return;
    line.late(call);
    // Another may be opened beside it.
    if (line.state === 'resting') this.#owner.changed();
    if (call.isCut) return this.breaker.abandoned(call.generation);
    const { breaker, clock } = this.#options;
    this.#downUntil = Math.max(this.#downUntil, clock.now() + breaker.resetTimeoutMs);
    this.breaker.failed(call.generation);
    // Its caller may have left.
    if (call.state === 'sent') this.#owner.tryFailed(call, call.timedOut(true), this);
  }

  /** A judge that throws has not said that all is well. */
  #judge(reply: Rep): ReplyFailure | undefined {
    try {
      const failure = this.#options.codec.failure?.(reply);
      if (failure === undefined) return undefined;
      const { kind, error } = failure;
      // A codec may be plain JavaScript.
      return { kind, error: error instanceof Error ? error : new Error(String(error)) };
    } catch (error) {
      return { kind: 'permanent', error: error instanceof Error ? error : new Error(String(error)) };
    }
  }
}
