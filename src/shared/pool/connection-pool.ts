/**
 * The core of every pool. It neither dials nor accepts: it says what is missing and lets another decide how to fill
 * it. Every operation is O(1), whatever the size; with a group picker a choice among n groups is O(n).
 */
import type { CloseReason } from '../close-reason.ts';
import { AcquireTimeoutError, NotOwnedError, PoolClosedError, QueueFullError } from '../errors.ts';
import { findAged, findLeaks } from './ageing.ts';
import { Bag } from './bag.ts';
import type { Entry, EntryState } from './entry.ts';
import { Housekeeper } from './housekeeper.ts';
import type { GroupFilter, GroupLevel } from './idle-list.ts';
import { Lease, type LeaseOwner } from './lease.ts';
import type { PoolConnection, PutRefusal } from './pool-connection.ts';
import { Events, throwLater } from '../events.ts';
import type { PoolEventMap } from './pool-events.ts';
import { type CheckedPoolOptions, checkPoolOptions, type PoolOptions } from './pool-options.ts';
import type { PoolStats } from './pool-stats.ts';
import { type PutOptions, Reservation } from './reservation.ts';
import { WaitQueue } from './wait-queue.ts';
import { Waiter, type WaitOptions, WITHDRAWN } from './waiter.ts';
import { WarmWatch } from './warm-watch.ts';

/** `ready` → `closing` (waits for leases) → `closed`. */
export type PoolState = 'ready' | 'closing' | 'closed';

/** Random part of a lifetime, so that connections made together do not end together (HikariCP's figure). */
const LIFETIME_JITTER = 0.025;

/** The refusals of connections that are in order: their peers may be about to use them. */
const POLITE: ReadonlySet<PutRefusal> = new Set(['stale', 'max-lifetime', 'pool-closed']);

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

export class ConnectionPool<T extends PoolConnection>
  extends Events<PoolEventMap>
  implements LeaseOwner<T>, AsyncDisposable
{
  /** The options in force, defaults filled in. */
  protected readonly poolOptions: CheckedPoolOptions;
  readonly #bag: Bag<T>;
  readonly #queue = new WaitQueue<Lease<T>>();
  readonly #warm = new WarmWatch();
  readonly #housekeeper: Housekeeper;
  /** Said goodbye to, not closed yet. */
  readonly #retiring = new Set<T>();
  /** Leases reported as leaks. */
  readonly #reported = new WeakSet<Lease<T>>();
  readonly #acquiredEar = this.ear('acquired');
  readonly #releasedEar = this.ear('released');
  #state: PoolState = 'ready';
  #capacity: number;
  #max: number;
  #interval = 0;
  #connecting = 0;
  #generation = 0;
  #errorCount = 0;
  #created = 0;
  #closed = 0;
  #acquired = 0;
  #closing: Promise<void> | undefined;
  #emptied: (() => void) | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: PoolOptions = {}) {
    super('pool');
    const checked = checkPoolOptions(options);
    this.poolOptions = checked;
    this.#capacity = checked.capacity;
    this.#max = checked.max;
    this.#bag = new Bag(checked.pickGroup);
    const limits = [checked.idleTimeoutMs, checked.maxLifetimeMs, checked.claimTimeoutMs, checked.leakThresholdMs];
    this.#housekeeper = new Housekeeper(checked.clock, limits, (now) => this.#sweep(now));
  }

  get name(): string {
    return this.poolOptions.name;
  }
  get state(): PoolState {
    return this.#state;
  }
  /** Whether puts and acquires are accepted. */
  get ready(): boolean {
    return this.#state === 'ready';
  }
  /** Connections that wait for use; NodePass calls this Active. */
  get idle(): number {
    return this.#bag.idle;
  }
  /** Connections handed out, here or by the peer. */
  get inUse(): number {
    return this.#bag.inUse;
  }
  /** Room reserved for connections under way. */
  get connecting(): number {
    return this.#connecting;
  }
  /** idle + inUse + connecting; never above {@link max}. */
  get size(): number {
    return this.#bag.size + this.#connecting;
  }
  /** The wanted number of idle connections. */
  get capacity(): number {
    return this.#capacity;
  }
  /** How many idle connections are kept at least. */
  get min(): number {
    return this.poolOptions.min;
  }
  get max(): number {
    return this.#max;
  }
  /** Pause between two rounds of the dial loop, ms; 0 where nothing is dialled. */
  get interval(): number {
    return this.#interval;
  }
  /** Acquires and gets that wait. */
  get waiting(): number {
    return this.#queue.size;
  }
  /** Connections handed out so far. */
  get acquired(): number {
    return this.#acquired;
  }
  get generation(): number {
    return this.#generation;
  }
  /** Faults counted by {@link addError}: here the unclaimed, by the two ends their failed dials and handshakes. */
  get errorCount(): number {
    return this.#errorCount;
  }
  /** How many connections may be made now: capacity − idle − connecting, as far as there is room. */
  get missing(): number {
    const room = this.#max - this.size;
    return Math.max(0, Math.min(this.#capacity - this.idle - this.#connecting, room));
  }
  /** The groups that have connections here. */
  get groups(): readonly GroupLevel[] {
    return [...this.#bag.groups].map(({ name, members, inUse }) => ({ name, idle: members - inUse, inUse }));
  }

  addError(): void {
    this.#errorCount += 1;
  }

  resetErrors(): void {
    this.#errorCount = 0;
  }

  /** A snapshot of all numbers. */
  stats(): PoolStats {
    const { name, ready, idle, inUse, connecting, size, capacity, max, interval, waiting, generation, errorCount } =
      this;
    const totals = { created: this.#created, closed: this.#closed, acquired: this.#acquired };
    const levels = { name, ready, idle, inUse, claimed: this.#bag.claimed, connecting, size, capacity };
    return { ...levels, min: this.poolOptions.min, max, interval, waiting, generation, errorCount, ...totals };
  }

  /** Whether a connection of this ID is in the pool. */
  has(id: string): boolean {
    return this.#bag.has(id);
  }

  /**
   * The way in and the way back: stores a new connection, or gives back one that this pool handed out (which ends its
   * lease). A connection that cannot be kept is closed, never the one already there, and `putRefused` says why.
   *
   * @returns true when the pool keeps it
   * @throws NotOwnedError when this very connection is idle here already
   */
  put(id: string, connection: T, options: PutOptions = {}): boolean {
    const entry = this.#bag.get(id);
    if (entry === undefined) {
      if (this.size >= this.#max) return this.#refuse(id, connection, 'pool-full');
      return this.#admit(id, connection, options, this.#generation, 0);
    }
    if (entry.connection !== connection) return this.#refuse(id, connection, 'duplicate-id');
    if (entry.state !== 'inUse') throw new NotOwnedError(id, 'is in this pool already');
    entry.lease = undefined;
    return this.#giveBack(entry);
  }

  /** Keeps room for a connection that is being made; undefined when there is none. Counts as connecting. */
  reserve(): Reservation<T> | undefined {
    if (!this.ready || this.size >= this.#max) return undefined;
    this.#connecting += 1;
    const startedAt = this.poolOptions.clock.now();
    const generation = this.#generation;
    return new Reservation<T>((id, connection, options = {}) => {
      this.#connecting -= 1;
      if (id === undefined || connection === undefined) {
        this.#left();
        return false;
      }
      if (this.#bag.has(id)) return this.#refuse(id, connection, 'duplicate-id');
      return this.#admit(id, connection, options, generation, this.poolOptions.clock.now() - startedAt);
    });
  }

  /** The most recently used idle connection, or undefined, at once. */
  tryAcquire(filter?: GroupFilter): Lease<T> | undefined {
    if (this.#state !== 'ready') return undefined;
    const entry = this.#bag.peek(filter);
    return entry === undefined ? undefined : this.#handOut(entry);
  }

  /** The connection of this ID if it is idle or claimed, at once. */
  tryGet(id: string): Lease<T> | undefined {
    const entry = this.#bag.get(id);
    if (this.#state !== 'ready' || entry === undefined || entry.state === 'inUse') return undefined;
    return this.#handOut(entry);
  }

  /**
   * An idle connection, waiting for one in first-come order.
   *
   * @throws AcquireTimeoutError, QueueFullError, PoolClosedError, or the signal's reason
   */
  acquire(options: WaitOptions & GroupFilter = {}): Promise<Lease<T>> {
    return this.#wait(() => this.tryAcquire(options), 'no idle connection', options);
  }

  /**
   * The connection of this ID, waiting until it comes or comes back.
   *
   * @throws AcquireTimeoutError, QueueFullError, PoolClosedError, or the signal's reason
   */
  get(id: string, options: WaitOptions = {}): Promise<Lease<T>> {
    return this.#wait(() => this.tryGet(id), `no connection ${id}`, options, id);
  }

  /** Acquires, calls `work`, and gives the connection back whatever happens; returns what `work` returned. */
  async use<R>(
    work: (connection: T, lease: Lease<T>) => R | Promise<R>,
    options?: WaitOptions & GroupFilter,
  ): Promise<R> {
    await using lease = await this.acquire(options);
    return await work(lease.connection, lease);
  }

  /**
   * Resolves when at least `wanted` connections are idle.
   *
   * @throws PoolClosedError, or the signal's reason
   */
  warmed(wanted: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.ready) return Promise.reject(new PoolClosedError(this.name));
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    if (this.idle >= wanted) return Promise.resolve();
    return this.#warm.wait(wanted, signal);
  }

  /**
   * Gives a lease's connection back; what {@link Lease.release} calls.
   *
   * @returns true when it is idle again, false when it was closed instead
   * @throws NotOwnedError when the lease has ended, or is not from this pool
   */
  release(lease: Lease<T>): boolean {
    const entry = this.#end(lease);
    return entry.state === 'inUse' && this.#giveBack(entry);
  }

  /** Closes a lease's connection; what {@link Lease.destroy} calls. */
  discard(lease: Lease<T>): void {
    const entry = this.#end(lease);
    if (entry.state === 'inUse') this.#drop(entry, 'destroyed');
  }

  /** What {@link Lease.spent} asks. @internal */
  isSpent({ entry: { expired, generation } }: Lease<T>): boolean {
    return expired || generation !== this.#generation;
  }

  /** Closes the idle connections only. Returns how many. */
  clean(): number {
    const closed = this.#dropIdle('cleaned');
    this.tell('cleaned', { pool: this.name, closed, generation: this.#generation });
    this.#shortage();
    return closed;
  }

  /**
   * Closes all connections at once, idle and handed out; `graceful` lets the handed-out ones end and closes each when
   * it comes back. What is still being dialled is closed when it arrives. Returns how many were closed now.
   */
  flush({ graceful = false }: { graceful?: boolean } = {}): number {
    this.#generation += 1;
    let closed = this.#dropIdle('flushed');
    for (const entry of this.#bag.all()) {
      if (graceful && entry.state === 'inUse') {
        entry.connection.retire?.('flushed', true);
      } else {
        this.#drop(entry, 'flushed');
        closed += 1;
      }
    }
    this.tell('flushed', { pool: this.name, closed, generation: this.#generation });
    this.#shortage();
    return closed;
  }

  /**
   * Refuses new and waiting acquires, closes the idle connections, waits for the others to come back until the grace
   * is over (ms; Infinity never is), then destroys them. Further calls wait for the same end.
   */
  close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  /** Closes everything at once, in use or not; waiting acquires are refused with `error` as the cause. */
  destroy(error?: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#refuseAll(new PoolClosedError(this.name, { cause: error }));
    for (const entry of this.#bag.all()) this.#drop(entry, 'pool-closed');
    for (const connection of this.#retiring) connection.close('pool-closed');
    this.#housekeeper.stop();
    this.#emptied?.();
    this.tell('poolClosed', { pool: this.name });
  }

  /** Closes with the default grace, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Idle connections are missing, or somebody waits. */
  protected shortage(missing: number, waiting: number): void {
    try {
      this.poolOptions.onShortage?.(missing, waiting);
    } catch (error) {
      throwLater(error);
    }
  }

  /** Refuses everyone who waits: what they wait for cannot be made. */
  protected refuseWaiting(error: Error): void {
    for (const waiter of this.#queue.takeAll()) waiter.refuse(error);
  }

  /** Sets what a dial loop decides. */
  protected setLevel({ capacity, interval, max }: { capacity?: number; interval?: number; max?: number }): void {
    if (max !== undefined) this.#max = max;
    if (interval !== undefined) this.#interval = interval;
    if (capacity === undefined || capacity === this.#capacity) return;
    const previous = this.#capacity;
    this.#capacity = capacity;
    if (this.heard('capacityChanged')) {
      this.tell('capacityChanged', { pool: this.name, capacity, previous });
    }
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#state === 'closed') return;
    const { clock } = this.poolOptions;
    this.#state = 'closing';
    this.#refuseAll(new PoolClosedError(this.name));
    this.#dropIdle('pool-closed');
    for (const entry of this.#bag.all()) {
      if (entry.state === 'claimed') this.#drop(entry, 'pool-closed');
      else entry.connection.retire?.('pool-closed', true);
    }
    if (this.#bag.size + this.#retiring.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = graceMs === Infinity ? undefined : clock.setTimeout(resolve, graceMs);
        this.#emptied = () => {
          clock.clearTimeout(timer);
          resolve();
        };
      });
    }
    this.destroy();
  }

  /** A new connection comes in. */
  #admit(id: string, connection: T, options: PutOptions, generation: number, connectMs: number): boolean {
    if (!this.ready) return this.#refuse(id, connection, 'pool-closed');
    if (connection.closed) return this.#refuse(id, connection, 'peer-closed');
    if (generation !== this.#generation) return this.#refuse(id, connection, 'stale');
    const refusal = connection.refusal?.();
    if (refusal !== undefined) return this.#refuse(id, connection, refusal);
    const { clock, maxLifetimeMs, random } = this.poolOptions;
    const createdAt = clock.now();
    const { group = '', passive = false, lifetimeMs = Infinity, token } = options;
    const longest = maxLifetimeMs === 0 ? Infinity : maxLifetimeMs * (1 - random() * LIFETIME_JITTER);
    const expiresAt = createdAt + Math.min(longest, lifetimeMs);
    const entry = this.#bag.add({ id, connection, group, passive, generation, createdAt, expiresAt });
    this.#created += 1;
    this.#housekeeper.start();
    connection.onClose((reason) => this.#connectionClosed(entry, reason));
    if (!this.heard('connectionReady')) return this.#place(entry);
    const { remote } = connection;
    const named = token === undefined ? {} : { token };
    this.tell('connectionReady', { pool: this.name, id, group, remote, connectMs, ...named });
    return this.#placeTold(entry);
  }

  /** A connection that was handed out comes back. */
  #giveBack(entry: Entry<T>): boolean {
    const refusal = this.#refusalOf(entry) ?? (entry.connection.unread === true ? 'unread' : undefined);
    if (refusal !== undefined) return this.#turnAway(entry, refusal);
    if (!this.#releasedEar.open) return this.#place(entry);
    const now = this.poolOptions.clock.now();
    this.tell('released', { pool: this.name, id: entry.id, usedMs: now - (entry.since ?? now) });
    return this.#placeTold(entry);
  }

  #refusalOf({ connection, generation, expired }: Entry<T>): PutRefusal | undefined {
    if (!this.ready) return 'pool-closed';
    if (connection.closed) return 'peer-closed';
    if (generation !== this.#generation) return 'stale';
    if (expired) return 'max-lifetime';
    return connection.refusal?.();
  }

  /** Closes a connection that is in nobody's hands and cannot be idle. */
  #turnAway(entry: Entry<T>, refusal: PutRefusal): false {
    this.#drop(entry, refusal, POLITE.has(refusal));
    this.#tellRefused(entry.id, refusal);
    return false;
  }

  /** {@link #place} behind an event, whose listener may have found a place for it, or closed it, or the pool. */
  #placeTold(entry: Entry<T>): boolean {
    if (entry.state !== 'inUse' || entry.lease !== undefined) return entry.state !== 'gone';
    const refusal = this.#refusalOf(entry);
    return refusal === undefined ? this.#place(entry) : this.#turnAway(entry, refusal);
  }

  /**
   * Finds the place of a connection that is in nobody's hands: with one who waits, or in a list. False when a listener
   * has had it closed there.
   */
  #place(entry: Entry<T>): boolean {
    const unread = entry.connection.unread === true;
    const waiter = this.#queue.size === 0 ? undefined : this.#waiterFor(entry, unread);
    if (waiter !== undefined) {
      this.#grant(waiter, entry);
    } else if (unread) {
      this.#claim(entry);
    } else {
      this.#bag.park(entry);
      entry.connection.park?.(() => this.#claim(entry));
      this.#warm.update(this.idle);
    }
    return entry.state !== 'gone';
  }

  /** Whoever waits for this very connection, else who waits for any. */
  #waiterFor({ id, group, passive }: Entry<T>, unread: boolean): Waiter<Lease<T>> | undefined {
    return this.#queue.takeFor(id) ?? (passive || unread ? undefined : this.#queue.takeAny(group.name));
  }

  /** Bytes are there that nobody here asked for: the peer has taken the connection. */
  #claim(entry: Entry<T>): void {
    this.#bag.claim(entry);
    entry.since = this.poolOptions.clock.now();
    if (this.heard('claimed')) this.tell('claimed', { pool: this.name, id: entry.id });
    this.#shortage();
  }

  #grant(waiter: Waiter<Lease<T>>, entry: Entry<T>): void {
    waiter.grant(this.#lease(entry));
    this.#leased(entry, waiter.waitedMs);
  }

  #handOut(entry: Entry<T>): Lease<T> {
    const lease = this.#lease(entry);
    this.#leased(entry, 0);
    return lease;
  }

  #lease(entry: Entry<T>): Lease<T> {
    const { clock, leakThresholdMs } = this.poolOptions;
    this.#bag.take(entry);
    this.#acquired += 1;
    if (this.#releasedEar.open) entry.since = clock.now();
    const origin = leakThresholdMs > 0 ? new Error('acquired here') : undefined;
    const lease = new Lease<T>(this, entry, origin);
    entry.lease = lease;
    return lease;
  }

  /** Says so, once the lease is its holder's: a listener may do anything, and end a waiter too. */
  #leased(entry: Entry<T>, waitedMs: number): void {
    entry.connection.unpark?.();
    if (this.#acquiredEar.open) this.tell('acquired', { pool: this.name, id: entry.id, waitedMs });
    this.#shortage();
  }

  async #wait(
    take: () => Lease<T> | undefined,
    lack: string,
    options: WaitOptions & GroupFilter,
    id?: string,
  ): Promise<Lease<T>> {
    const startedAt = this.poolOptions.clock.now();
    try {
      if (!this.ready) throw new PoolClosedError(this.name);
      options.signal?.throwIfAborted();
      return take() ?? (await this.#enqueue(lack, options, id));
    } catch (error) {
      if (error !== WITHDRAWN && this.heard('acquireFailed')) {
        const waitedMs = this.poolOptions.clock.now() - startedAt;
        this.tell('acquireFailed', { pool: this.name, waitedMs, error });
      }
      throw error;
    }
  }

  #enqueue(lack: string, options: WaitOptions & GroupFilter, id: string | undefined): Promise<Lease<T>> {
    const { clock, acquireTimeoutMs, maxWaiting } = this.poolOptions;
    const { timeoutMs = acquireTimeoutMs, signal } = options;
    const timedOut = (waitedMs: number): Error => new AcquireTimeoutError(lack, waitedMs, this.stats());
    if (timeoutMs === 0) throw timedOut(0);
    if (this.#queue.size >= maxWaiting) throw new QueueFullError(maxWaiting, this.stats());
    const left = (): void => this.#queue.remove(waiter);
    const waiter = new Waiter<Lease<T>>({ clock, timeoutMs, signal, timedOut, left }, options, id);
    this.#queue.add(waiter);
    this.#shortage();
    return waiter.promise;
  }

  /** Ends a lease; what becomes of its connection is the caller's. */
  #end(lease: Lease<T>): Entry<T> {
    const { entry } = lease;
    if (!lease.isFrom(this)) throw new NotOwnedError(entry.id, `is not from pool ${this.name}`);
    if (!lease.held) throw new NotOwnedError(entry.id, 'was given back already');
    entry.lease = undefined;
    return entry;
  }

  #refuse(id: string, connection: T, reason: PutRefusal): false {
    connection.close(reason);
    this.#tellRefused(id, reason);
    this.#left();
    return false;
  }

  #tellRefused(id: string, reason: PutRefusal): void {
    if (this.heard('putRefused')) this.tell('putRefused', { pool: this.name, id, reason });
  }

  /** Closes a connection that is in the pool; `politely` says goodbye to a peer that may be about to use it. */
  #drop(entry: Entry<T>, reason: CloseReason, politely = false): void {
    const { connection } = entry;
    if (entry.state === 'gone') return;
    this.#forget(entry, reason);
    if (!politely || connection.retire === undefined) return connection.close(reason);
    this.#retiring.add(connection);
    connection.retire(reason);
  }

  #dropIdle(reason: CloseReason): number {
    const before = this.#closed;
    for (const entry of [...this.#bag.idleFromOldest()]) if (isIdle(entry)) this.#drop(entry, reason, true);
    return this.#closed - before;
  }

  #connectionClosed(entry: Entry<T>, reason: CloseReason): void {
    this.#retiring.delete(entry.connection);
    if (entry.state !== 'gone') this.#forget(entry, reason);
    this.#left();
  }

  #forget(entry: Entry<T>, reason: CloseReason): void {
    this.#bag.remove(entry);
    this.#closed += 1;
    if (!this.heard('connectionClosed')) return;
    const ageMs = this.poolOptions.clock.now() - entry.createdAt;
    this.tell('connectionClosed', { pool: this.name, id: entry.id, group: entry.group.name, reason, ageMs });
  }

  /** Something left the pool: there is room, and perhaps nothing more to wait for. */
  #left(): void {
    if (this.#bag.size === 0) this.#housekeeper.stop();
    if (this.#bag.size + this.#retiring.size === 0) this.#emptied?.();
    this.#shortage();
  }

  #shortage(): void {
    if (!this.ready) return;
    const { missing, waiting } = this;
    if (missing > 0 || waiting > 0) this.shortage(missing, waiting);
  }

  #sweep(now: number): void {
    for (const { entry, reason } of [...findAged(this.#bag, this.poolOptions, this.#capacity, now)]) {
      const unclaimed = reason === 'unclaimed';
      if (unclaimed ? entry.state !== 'claimed' : !isIdle(entry)) continue;
      if (unclaimed) this.addError();
      this.#drop(entry, reason, !unclaimed);
    }
    for (const { id, lease, since = now } of findLeaks(this.#bag, this.poolOptions, now)) {
      if (lease === undefined || this.#reported.has(lease)) continue;
      this.#reported.add(lease);
      this.tell('leakSuspected', { pool: this.name, id, usedMs: now - since, stack: lease.origin?.stack ?? '' });
    }
  }

  #refuseAll(error: PoolClosedError): void {
    this.refuseWaiting(error);
    this.#warm.refuseAll(error);
  }
}

/** Asked again of each connection on a list: who hears of the one before may have taken it. */
function isIdle({ state }: { readonly state: EntryState }): boolean {
  return state === 'idle' || state === 'passive';
}
