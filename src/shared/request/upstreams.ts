/** Which server has the requests: the first that serves, and better ones are opened beside it. */
import { CircuitOpenError, type PoolLevel } from '../errors.ts';
import type { LinkedList } from '../pool/linked-list.ts';
import type { Call } from './call.ts';
import type { CheckedRequestOptions } from './request-options.ts';
import { Upstream, type UpstreamOwner } from './upstream.ts';

export class Upstreams<Req, Rep> {
  /** In the order of preference. */
  readonly all: readonly Upstream<Req, Rep>[];
  readonly #options: CheckedRequestOptions<Req, Rep>;

  constructor(options: CheckedRequestOptions<Req, Rep>, owner: UpstreamOwner<Req, Rep>) {
    this.#options = options;
    this.all = options.servers.map((server) => new Upstream(server, options, owner));
  }

  /** Puts what is queued on connections, as far as there is room, and has more opened for the rest. */
  serve(queue: LinkedList<Call<Req, Rep>>): void {
    this.#openBetter();
    for (const upstream of this.#inOrder()) if (queue.size > 0) upstream.serve(queue);
    if (queue.size > 0) this.#open(Math.ceil(queue.size / this.#options.depth));
  }

  /** Whether those who wait may be served by what is open or being opened. */
  get promising(): boolean {
    return this.all.some(({ promising }) => promising);
  }
  /** Whether there is a server of which nothing bad is known, other than `from`. */
  hasFresh(from?: Upstream<Req, Rep>): boolean {
    return this.all.some((upstream) => upstream !== from && !upstream.down && upstream.breaker.ready);
  }
  /** Whether anything is open, or being opened. */
  get busy(): boolean {
    return this.all.some(({ busy }) => busy);
  }

  /** Why nobody is asked, when nothing is {@link promising}. */
  circuitOpen(): CircuitOpenError {
    const { clock, name } = this.#options;
    const retryAt = Math.min(...this.all.map(({ breaker }) => breaker.retryAt ?? Infinity));
    return new CircuitOpenError(name, retryAt === Infinity ? 0 : Math.max(0, retryAt - clock.now()));
  }

  /** The numbers of all pools together. */
  level(waiting: number): PoolLevel {
    const level = { idle: 0, inUse: 0, connecting: 0, waiting };
    for (const { pool } of this.all) {
      level.idle += pool.idle;
      level.inUse += pool.inUse;
      level.connecting += pool.connecting;
    }
    return level;
  }

  /** Requests never wait for a better server while another serves: that one is opened beside them. */
  #openBetter(): void {
    const serving = this.all.findIndex((upstream) => upstream.serving && !upstream.down);
    for (let index = 0; index < serving; index += 1) {
      const better = this.all[index];
      if (better?.promising === false) better.open(1);
    }
  }

  #open(wanted: number): void {
    for (const upstream of this.all) {
      if (upstream.down) continue;
      upstream.open(wanted);
      // Whoever is tried again serves one request, or none.
      if (upstream.settled) return;
    }
    // All are in doubt: whoever comes back first serves.
    for (const upstream of this.all) upstream.open(1);
  }

  /** Those that are down come last. */
  #inOrder(): readonly Upstream<Req, Rep>[] {
    if (!this.all.some(({ down }) => down)) return this.all;
    return [...this.all.filter(({ down }) => !down), ...this.all.filter(({ down }) => down)];
  }
}
