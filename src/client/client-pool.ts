/** The dialling end of the pair: pre-dial → TLS → read tag → greeting → pooled. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { CloseReason } from '../shared/close-reason.ts';
import { DialError, type DialStage, PoolClosedError, type PooldError, ProtocolError } from '../shared/errors.ts';
import { RawConnection } from '../shared/pool/raw-connection.ts';
import { isShortage, Shortage } from '../shared/net/shortage.ts';
import type { PutOptions, Reservation } from '../shared/pool/reservation.ts';
import type { Greeted } from '../shared/session/greeting.ts';
import { unevenness } from '../shared/policy/even.ts';
import { LoadMeter } from '../shared/load-meter.ts';
import type { DatagramVisit } from '../shared/session/datagram-visit.ts';
import { Liveness } from '../shared/session/liveness.ts';
import { Session } from '../shared/session/session.ts';
import { type Token, TokenRing } from '../shared/session/token-ring.ts';
import type { Visit } from '../shared/session/visit.ts';
import { type ClientTlsOptions, clientTlsSettings } from '../shared/tls/modes.ts';
import type { PooledConnection } from '../shared/tunnel/pooled-connection.ts';
import { VisitPool } from '../shared/tunnel/visit-pool.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import { AGENT } from './agent.ts';
import { checkClientPoolOptions, type ClientPoolOptions } from './client-pool-options.ts';
import { Dial, type DialRules } from './dial.ts';
import { type DialledLevel, DialLoop, type Retry, SHORT_LIFE_MS } from './dial-loop.ts';

/** The parts of `tls` that can be replaced while a pool runs. */
export type ClientTlsRenewal = Pick<ClientTlsOptions, 'ca' | 'cert' | 'key'>;

/**
 * Keeps connections to one server dialled, greeted and ready. With sessions the server opens visits on them, which go
 * to `onVisit`, or this side does, as the server has it; with `session: false` leases hold raw sockets.
 */
export class ClientPool<S extends boolean = true> extends VisitPool<S> {
  /** 32 hex characters that name this pool to the server, the same on all its connections. */
  readonly client = randomBytes(16).toString('hex');
  readonly #options: ReturnType<typeof checkClientPoolOptions>;
  readonly #loop: DialLoop;
  readonly #liveness: Liveness;
  readonly #dials = new Set<Dial>();
  readonly #shortage: Shortage;
  #rules: DialRules | undefined;
  #keys: Promise<TokenRing> | undefined;
  #tls: ClientTlsOptions;
  #starting: Promise<void> | undefined;
  #welcomed = false;
  /** How many processes the server has. */
  #workers = 1;

  /** @throws InvalidOptionError naming the option */
  constructor(options: ClientPoolOptions<S>) {
    const checked = checkClientPoolOptions(options);
    const core = {
      name: checked.name,
      min: checked.minCapacity,
      max: checked.maxCapacity,
      capacity: checked.minCapacity,
      maxWaiting: checked.maxWaiting,
      acquireTimeoutMs: checked.acquireTimeoutMs,
      idleTimeoutMs: checked.idleTimeoutMs,
      maxLifetimeMs: checked.maxLifetimeMs,
      claimTimeoutMs: checked.claimTimeoutMs,
      leakThresholdMs: checked.leakThresholdMs,
      clock: checked.clock,
      random: checked.random,
    };
    super(core, checked);
    this.#options = checked;
    this.#tls = checked.tls;
    this.#shortage = new Shortage({
      who: 'connections to the server',
      fate: 'put off',
      clock: checked.clock,
      onShort: (error) => this.tell('fault', { pool: this.name, error }),
    });
    this.#liveness = new Liveness({ ...checked, mode: 'ping' });
    this.setLevel({ interval: checked.minIntervalMs });
    this.#loop = new DialLoop(
      { ...checked, onFailure: () => this.#tellBreaker() },
      {
        level: () => this.#level(),
        uneven: () => this.#uneven(),
        adapt: (level) => this.setLevel(level),
        dial: () => this.#dial(),
      },
      new LoadMeter(checked.clock),
    );
  }

  /** Whether the server has ever let this pool in. */
  get welcomed(): boolean {
    return this.#welcomed;
  }

  /**
   * Makes the keys, and begins to dial. Resolves when it has begun; `warmed(n)` waits for connections. Further calls
   * wait for the same.
   *
   * @throws InvalidOptionError when TLS options cannot be used
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Proves another token from the next dial on, which begins at once if failures hold it back; what is connected stays.
   * Resolves when the key is made.
   *
   * @throws InvalidOptionError as for the option `token`; then nothing has changed
   */
  async setToken(token: string | undefined): Promise<void> {
    const keys = TokenRing.from(this.checkToken(token));
    this.#keys = keys;
    const tokens = await keys;
    const { greeting, ...rules } = this.#rules ?? {};
    // Not the last one asked for, or the pool has yet to start, and does so with this one.
    if (this.#keys !== keys || greeting === undefined) return;
    this.#rules = { ...(rules as DialRules), greeting: { ...greeting, tokens } };
    this.#loop.forgive();
  }

  /** @throws InvalidOptionError as for the option `token` @internal */
  checkToken(token: string | undefined): Token[] {
    return this.#options.checkToken(token);
  }

  /**
   * Shows another certificate, or trusts other authorities, from the next dial on; what is connected stays. What is left
   * out stays as it is, and so does the mode.
   *
   * @throws InvalidOptionError naming the `tls.…` option that cannot be used; then nothing has changed
   */
  setTls(renewal: ClientTlsRenewal): void {
    const settings = this.checkTls(renewal);
    this.#tls = { ...this.#tls, ...renewal };
    if (this.#rules === undefined) return;
    this.#rules = { ...this.#rules, tls: settings };
    this.#loop.forgive();
  }

  /** What it would dial with. @throws InvalidOptionError naming the `tls.…` option that cannot be used @internal */
  checkTls(renewal: ClientTlsRenewal): ReturnType<typeof clientTlsSettings> {
    return clientTlsSettings({ ...this.#tls, ...renewal }, this.#options.host);
  }

  /** Dials as soon as its own backoff lets it, whatever a breaker wants: for whoever has lost its other servers. */
  hurry(): void {
    this.#loop.hurry();
  }

  override async close(options?: { graceMs?: number }): Promise<void> {
    this.#stopDialling();
    await super.close(options);
  }

  override destroy(error?: Error): void {
    this.#stopDialling();
    this.#liveness.stop();
    super.destroy(error);
  }

  /** This client knows one server, and it has turned the visit away. */
  override openElsewhere(): undefined {
    return undefined;
  }

  protected override shortage(_missing: number, waiting: number): void {
    if (waiting > 0) this.#loop.demand(Math.ceil(waiting / Math.max(1, this.#options.sharedBy?.() ?? 1)));
    else this.#loop.wake();
  }

  async #start(): Promise<void> {
    const { to, proxy, host, tls, tokens, tunnel, publish, opener, session } = this.#options;
    const { idFormat, keepAliveMs, handshakeTimeoutMs, clock } = this.#options;
    const settings = clientTlsSettings(this.#tls, host);
    const ring = await this.#latestKeys(tokens);
    // A server that knows nothing of it would let this client into a tunnel of that name, or say that there is none.
    const wish = publish === undefined ? {} : { publish, require: ['publish'] };
    const greeting = { tokens: ring, hello: { tunnel, client: this.client, agent: AGENT, ...wish }, opener };
    this.#rules = {
      to,
      proxy,
      tls: settings,
      fingerprint: tls.fingerprint,
      idFormat,
      greeting: session ? greeting : undefined,
      keepAliveMs,
      handshakeTimeoutMs,
      clock,
    };
    if (this.ready) this.#loop.start();
  }

  /** The keys of the last token that was asked for, at the time when they are made. */
  async #latestKeys(tokens: readonly Token[]): Promise<TokenRing> {
    const keys = (this.#keys ??= TokenRing.from(tokens));
    const ring = await keys;
    return keys === this.#keys ? ring : await this.#latestKeys(tokens);
  }

  #level(): DialledLevel {
    const { idle, inUse, connecting, capacity, max, interval, acquired } = this;
    return { idle, inUse, connecting, capacity, max, interval, acquired };
  }

  #uneven(): number {
    const idle: number[] = [];
    for (const group of this.groups) idle[Number(group.name)] = group.idle;
    return unevenness(idle, this.#workers, this.capacity);
  }

  /** Counts a failure; returns what an open breaker wants to pass, where there is another server to turn to. */
  #tellBreaker(): number {
    const { breaker, alone, clock } = this.#options;
    breaker?.failed();
    if (breaker?.retryAt === undefined || alone?.() === true) return 0;
    return breaker.retryAt - clock.now();
  }

  #dial(): boolean {
    const room = this.reserve();
    if (room === undefined) return false;
    const { clock, remote, breaker } = this.#options;
    const startedAt = clock.now();
    const dial = new Dial(this.#rules as DialRules, {
      onRaw: (id, socket) => {
        this.#dials.delete(dial);
        const bornAt = clock.now();
        const connection = new RawConnection(id, socket, remote, (reason, untouched) => {
          if (untouched) this.#ended(reason, 'tag', startedAt, bornAt);
        });
        this.#dialed(id, startedAt, room, connection as PooledConnection<S>, {});
      },
      onGreeted: (id, socket, greeted, decoder) => {
        this.#dials.delete(dial);
        breaker?.proved();
        const session = this.#session(id, socket, greeted, decoder, startedAt);
        const { worker, workers } = greeted.settings;
        // A group for each of the server's processes: each is to keep its share.
        const group = workers === 1 ? '' : String(worker);
        const options = { passive: greeted.role === 'acceptor', group };
        this.#dialed(id, startedAt, room, session as PooledConnection<S>, options);
      },
      onFailed: (error, stage) => {
        this.#dials.delete(dial);
        // The backoff first: room that becomes free is dialled for at once.
        this.#failed(error, stage, () => this.#loop.failed(error, startedAt));
        room.cancel();
      },
    });
    this.#dials.add(dial);
    return true;
  }

  #session(id: string, socket: Duplex, greeted: Greeted, decoder: FrameDecoder, startedAt: number): Session {
    const { clock, remote } = this.#options;
    const bornAt = clock.now();
    this.#welcomed = true;
    const { keepAliveMs, maxConnections, workers } = greeted.settings;
    this.#workers = workers;
    this.#liveness.limit(keepAliveMs);
    if (maxConnections < this.max) this.setLevel({ max: maxConnections });
    const owner = {
      onVisit: (visit: Visit, session: Session) => this.serve(visit, session),
      onDatagrams: (visit: DatagramVisit, session: Session) => this.serve(visit, session),
      onDemand: (count: number) => this.#loop.demand(count),
      onFault: (error: Error) => this.#onFault(error),
      onEnd: (session: Session, reason: CloseReason) => {
        this.#liveness.delete(session);
        if (reason === 'stalled') this.#liveness.suspect(this.client);
        // What broke off in a visit was wanted: strangers who break off visits must not slow the dials down.
        if (!session.used) this.#ended(reason, 'greeting', startedAt, bornAt);
      },
    };
    const session = new Session({ id, socket, decoder, greeted, side: 'client', remote, clock, owner });
    this.#liveness.add(session);
    return session;
  }

  #dialed(
    id: string,
    startedAt: number,
    room: Reservation<PooledConnection<S>>,
    connection: PooledConnection<S>,
    options: PutOptions,
  ): void {
    const durationMs = this.#options.clock.now() - startedAt;
    if (this.heard('dialed')) this.tell('dialed', { pool: this.name, id, durationMs });
    room.put(id, connection, options);
    this.#loop.succeeded(durationMs);
  }

  /** A connection of this stage has ended; when the server ended it young, its dial counts as failed after all. */
  #ended(reason: CloseReason, stage: DialStage, startedAt: number, bornAt: number): void {
    if (this.#options.clock.now() - bornAt >= SHORT_LIFE_MS || !SERVER_ENDS.has(reason)) return;
    const error = new DialError(stage, 'the server closed the connection as soon as it was ready');
    this.#failed(error, stage, () => this.#loop.diedYoung(error, startedAt));
  }

  #failed(error: PooldError, stage: DialStage, count: () => Retry): void {
    if (!this.ready || error instanceof PoolClosedError) return;
    this.addError();
    const retry = count();
    if (isShortage(error)) return this.#shortage.note();
    if (this.heard('dialFailed')) this.tell('dialFailed', { pool: this.name, stage, error, ...retry });
  }

  /** A pooled connection broke. What the network did shows as its close reason; what the peer did is worth a word. */
  #onFault(error: Error): void {
    this.addError();
    if (error instanceof ProtocolError) this.tell('fault', { pool: this.name, error });
  }

  #stopDialling(): void {
    this.#loop.stop();
    for (const dial of [...this.#dials]) dial.fail(new PoolClosedError(this.name));
  }
}

/** The ends that say that the server did not want the connection after all. */
const SERVER_ENDS: ReadonlySet<CloseReason> = new Set(['peer-closed', 'error', 'protocol-error']);
