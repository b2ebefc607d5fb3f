import { type Dispatcher, Pool } from 'undici';
import type { Clock } from '../shared/clock.ts';
import { type Address, formatAddress } from '../shared/net/address.ts';
import type { BackendRules } from './balancer-options.ts';
import { isEnded } from './server-errors.ts';

/** How much sooner than a server says an idle connection is given up, ms: a request must not meet its end. */
const KEEP_ALIVE_MARGIN_MS = 1000;

/** How long an idle connection is kept where the server says nothing, ms: less than the 5 s of Node's own server. */
const KEEP_ALIVE_MS = 4000;

/** For how long what must not be repeated gets connections of its own after the server has closed a kept one, ms. */
const DOUBT_MS = 60_000;

/** What a request needs of its connection. */
export interface Wish {
  /** It wants one that has carried nothing yet. */
  readonly isFresh: boolean;
  /** It may be sent again if its connection turns out to have been closed just then. */
  readonly isRepeatable: boolean;
}

/** The connections to one HTTP server: those that are kept, and beside them some that carry one request and no more. */
export class ServerConnections {
  readonly #kept: Pool;
  readonly #fresh: Pool;
  readonly #clock: Clock;
  #isNew = false;
  #doubtedAt = -Infinity;

  constructor(address: Address, rules: BackendRules, clock: Clock) {
    const { maxConnections, connectTimeoutMs, timeoutMs, maxHeaderBytes } = rules;
    const isPath = 'path' in address;
    const origin = isPath ? 'http://localhost' : `http://${formatAddress(address)}`;
    const options: Pool.Options = {
      connections: maxConnections,
      connect: { timeout: connectTimeoutMs, allowHalfOpen: true },
      ...(isPath ? { socketPath: address.path } : {}),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxHeaderSize: maxHeaderBytes,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
    };
    this.#clock = clock;
    this.#kept = new Pool(origin, { ...options, pipelining: 1 });
    this.#fresh = new Pool(origin, { ...options, pipelining: 0 });
    for (const pool of [this.#kept, this.#fresh]) pool.on('connect', this.#onConnect);
    this.#kept.on('disconnect', (_origin, _targets, error) => {
      if (isEnded(error)) this.#doubtedAt = clock.now();
    });
  }

  /** To be asked in `onConnect` of a request's handler: whether its connection has carried another one before. */
  get isReused(): boolean {
    return !this.#isNew;
  }

  send(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler, wish: Wish): void {
    const { isFresh, isRepeatable } = wish;
    const isOwn = isFresh || (!isRepeatable && this.#clock.now() - this.#doubtedAt < DOUBT_MS);
    (isOwn ? this.#fresh : this.#kept).dispatch(request, handler);
  }

  /** No new requests come: they go when what is on them has ended. */
  close(): void {
    void this.#kept.close();
    void this.#fresh.close();
  }

  /** Breaks off what is on them. */
  destroy(): void {
    void this.#kept.destroy();
    void this.#fresh.destroy();
  }

  /** undici gives a new connection its first request in the same turn. */
  readonly #onConnect = (): void => {
    this.#isNew = true;
    queueMicrotask(() => (this.#isNew = false));
  };
}
