/** One tunnel that a client has asked for: its public port, and how long that outlives the tunnel's clients. */
import type { Clock, Timer } from '../shared/clock.ts';
import { reasonOf, RejectedError } from '../shared/errors.ts';
import { type Held, judgeClaim, type Verdict } from './publish-claim.ts';
import type { PublishRequest } from './server-listener.ts';
import type { TunnelServer } from './tunnel-server.ts';

export interface PublishedTunnelOptions {
  readonly lingerMs: number;
  /** How long a sign of life may take when another client wants the port, ms. */
  readonly keepAliveTimeoutMs: number;
  readonly clock: Clock;
}

export interface PublishedTunnelOwner {
  /** The port listens. Said before the first client is in. */
  onOpen(published: PublishedTunnel): void;
  /** Nobody has come back in time. */
  onLingered(published: PublishedTunnel): void;
  /** Its pool is closed, whoever closed it. Said once. */
  onGone(published: PublishedTunnel): void;
}

/** When a client is asked to come back whose port cannot be listened on, ms. */
const LISTEN_RETRY_MS = 10_000;

/** Said to a client that is let in nowhere any more. */
export const CLOSING = 'the server is shutting down; trying again helps when it is back';

/** After a longer pause an old question says nothing, and is asked anew: so many times the time for its answer. */
const QUESTION_LASTS = 12;

/** `starting` → `open` → `closed`. A tunnel that is open and has no clients lingers. */
type State = 'starting' | 'open' | 'closed';

export class PublishedTunnel {
  readonly server: TunnelServer;
  readonly #options: PublishedTunnelOptions;
  readonly #owner: PublishedTunnelOwner;
  #request: PublishRequest;
  #since: number;
  /** When the last token of its clients ends: a visit may last for longer, and its connection with it. */
  #goodUntil: number;
  #state: State = 'starting';
  #starting: Promise<void> | undefined;
  #linger: Timer | undefined;
  /** When the clients were asked for a sign of life last; the clock's ms. */
  #askedAt = -Infinity;

  constructor(
    request: PublishRequest,
    server: TunnelServer,
    options: PublishedTunnelOptions,
    owner: PublishedTunnelOwner,
  ) {
    this.#request = request;
    this.server = server;
    this.#options = options;
    this.#owner = owner;
    this.#since = options.clock.wallNow();
    this.#goodUntil = request.goodUntil;
    const { pool } = server;
    pool.on('connectionReady', () => this.#stay());
    pool.on('connectionClosed', () => this.#lingerIfVacant());
    pool.once('poolClosed', () => {
      owner.onGone(this);
      this.#leave();
    });
  }

  get tunnel(): string {
    return this.#request.tunnel;
  }
  get port(): number {
    return this.#request.port;
  }
  get protocol(): PublishRequest['protocol'] {
    return this.#request.protocol;
  }
  /** Whose token it counts for. */
  get owner(): string {
    return this.#request.owner;
  }
  get open(): boolean {
    return this.#state === 'open';
  }
  /** Whether it has no clients now. */
  get vacant(): boolean {
    return this.#state === 'open' && this.server.pool.size === 0;
  }
  /** Since when its present clients have it, ms since 1970. */
  get since(): number {
    return this.#since;
  }

  /** How a request for its name or port is met. */
  judge(request: PublishRequest): Verdict {
    const { pool } = this.server;
    // Somebody else closes it.
    if (!pool.ready) return 'replace';
    const { tunnel, port, protocol, share, owner, client } = this.#request;
    const clients = this.#state === 'starting' ? [client] : pool.groups.map(({ name }) => name);
    const held: Held = { tunnel, port, protocol, share, owner, clients };
    const verdict = judgeClaim(request, held);
    return verdict === 'conflict' && (this.#isOver || this.#isDead()) ? 'replace' : verdict;
  }

  /** Lets in a client whose request may join: now, or when the promise resolves. */
  join(request: PublishRequest): Promise<void> | undefined {
    const { vacant } = this;
    this.#goodUntil = vacant ? request.goodUntil : Math.max(this.#goodUntil, request.goodUntil);
    if (this.#state === 'starting') return this.#starting;
    if (vacant) {
      this.#request = request;
      this.#since = this.#options.clock.wallNow();
    }
    return undefined;
  }

  /**
   * Listens.
   *
   * @param before what has to be over before the port is free
   * @throws RejectedError when the port cannot be listened on, or it is closed before it is open
   */
  start(before: Promise<unknown>): Promise<void> {
    this.#starting = this.#start(before);
    return this.#starting;
  }

  /** Lets visits end until the grace is over, ms, then closes everything. */
  async close(graceMs: number): Promise<void> {
    this.#leave();
    await this.server.close({ graceMs });
  }

  async #start(before: Promise<unknown>): Promise<void> {
    await before;
    try {
      await this.server.start();
    } catch (error) {
      // Why, and at which address, is for the server's own log.
      const detail = `port ${this.port} cannot be opened there${codeOf(error)}; choose another one`;
      throw new RejectedError('limit', reasonOf(error), LISTEN_RETRY_MS, detail);
    }
    if (this.#state !== 'starting') throw new RejectedError('busy', CLOSING);
    this.#state = 'open';
    this.#owner.onOpen(this);
    // Whoever asked for it may have hung up.
    this.#lingerIfVacant();
  }

  /** No client of it would be let in any more: what is left are visits. */
  get #isOver(): boolean {
    return this.#options.clock.wallNow() >= this.#goodUntil;
  }

  /** Asks for a sign of life, and says whether none has come since it asked before. */
  #isDead(): boolean {
    if (this.#state !== 'open') return false;
    const { clock, keepAliveTimeoutMs } = this.#options;
    const { pool } = this.server;
    const askedMs = clock.now() - this.#askedAt;
    if (askedMs < keepAliveTimeoutMs) return false;
    if (askedMs < QUESTION_LASTS * keepAliveTimeoutMs && pool.silentSince(this.#askedAt)) return true;
    this.#askedAt = clock.now();
    pool.askAll();
    return false;
  }

  #lingerIfVacant(): void {
    if (this.#state !== 'open' || this.server.pool.size > 0) return;
    const { clock, lingerMs } = this.#options;
    this.#linger ??= clock.setTimeout(() => this.#owner.onLingered(this), lingerMs);
  }

  #stay(): void {
    this.#options.clock.clearTimeout(this.#linger);
    this.#linger = undefined;
  }

  #leave(): void {
    this.#state = 'closed';
    this.#stay();
  }
}

/** The system's word for what is wrong, in brackets, where there is one. */
function codeOf(error: unknown): string {
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  return code === undefined ? '' : ` (${code})`;
}
