/** The core with a factory: it makes what is missing, tests what has been idle, and ends what is of no use any more. */
import type { Timer } from '../clock.ts';
import { AcquireTimeoutError, PoolClosedError, QueueFullError } from '../errors.ts';
import { checkOptions, wholeNumber } from '../options.ts';
import { ConnectionPool } from '../pool/connection-pool.ts';
import type { GroupFilter } from '../pool/idle-list.ts';
import type { Lease } from '../pool/lease.ts';
import type { Reservation } from '../pool/reservation.ts';
import type { WaitOptions } from '../pool/waiter.ts';
import { Backoff, maxDelayFor } from '../resilience/backoff.ts';
import { bounded } from './bounded.ts';
import { ResourceError } from './request-errors.ts';
import { endResource, Resource, type ResourceOwner } from './resource.ts';
import {
  type CheckedResourceOptions,
  checkResourceOptions,
  type ResourcePoolOptions,
} from './resource-pool-options.ts';

/**
 * A pool of anything that can be made, tested and ended; what a lease's `connection` holds is its `value`. Begins to make
 * `min` resources at once. `tryAcquire` tests nothing.
 */
export class ResourcePool<R> extends ConnectionPool<Resource<R>> {
  readonly #options: CheckedResourceOptions<R>;
  readonly #owner: ResourceOwner;
  readonly #backoff: Backoff;
  /** Ends what is being made. */
  readonly #ending = new AbortController();
  #made = 0;
  /** Nothing is made before it is over: the last one failed. */
  #pause: Timer | undefined;
  #failure: ResourceError | undefined;
  #failingSince = 0;

  /** @throws InvalidOptionError naming the option */
  constructor(options: ResourcePoolOptions<R>) {
    const { core, own } = checkResourceOptions(options);
    super(core);
    const { clock, random } = this.poolOptions;
    this.#options = own;
    this.#backoff = new Backoff({ random });
    const failed: ResourceOwner['failed'] = (stage, cause) => this.#fault(new ResourceError(stage, this.name, cause));
    this.#owner = { clock, validateAfterMs: own.validateAfterMs, failed };
    this.#fill();
  }

  /** Why the last `create` failed; undefined once one has succeeded. */
  get failure(): ResourceError | undefined {
    return this.#failure;
  }

  /**
   * A resource, made if there is room, else waited for in first-come order, and tested if it was idle. Who waits when a
   * `create` fails goes on waiting if others will come back, else gets the error.
   *
   * @throws AcquireTimeoutError (the last failure is its cause), QueueFullError, PoolClosedError, ResourceError, or the signal's reason
   */
  override async acquire(options: WaitOptions & GroupFilter = {}): Promise<Lease<Resource<R>>> {
    const { clock, acquireTimeoutMs } = this.poolOptions;
    const { timeoutMs = acquireTimeoutMs } = options;
    const startedAt = clock.now();
    for (let leftMs = timeoutMs; ; leftMs = Math.max(0, timeoutMs - (clock.now() - startedAt))) {
      const lease = await this.#wait({ ...options, timeoutMs: leftMs });
      if (await this.#works(lease, { ...options, timeoutMs: leftMs })) return lease;
      lease.destroy();
    }
  }

  /** Changes `max`; those beyond it that are there stay until they go by themselves. @throws InvalidOptionError */
  setMax(max: number): void {
    this.setLevel({ max: checkOptions(wholeNumber(1), max, 'max') });
    this.#fill();
  }

  override close(options: { graceMs?: number } = {}): Promise<void> {
    this.#stop();
    return super.close(options);
  }

  override destroy(error?: Error): void {
    this.#stop();
    super.destroy(error);
  }

  protected override shortage(missing: number, waiting: number): void {
    super.shortage(missing, waiting);
    this.#fill();
  }

  async #wait(options: WaitOptions & GroupFilter): Promise<Lease<Resource<R>>> {
    try {
      this.#checkQueue();
      return await super.acquire(options);
    } catch (error) {
      if (error instanceof AcquireTimeoutError) error.cause ??= this.#failure;
      throw error;
    }
  }

  /** Who can still be made a resource of their own does not count as waiting. */
  #checkQueue(): void {
    const { maxWaiting } = this.#options;
    if (this.idle > 0 || !this.ready || this.waiting < this.max - this.inUse + maxWaiting) return;
    const error = new QueueFullError(maxWaiting, this.stats());
    if (this.heard('acquireFailed')) this.tell('acquireFailed', { pool: this.name, waitedMs: 0, error });
    throw error;
  }

  /** False when it is to be replaced. A test that outlasts its borrower's patience goes on, and the next one has its result. */
  async #works(
    lease: Lease<Resource<R>>,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<boolean> {
    const { connection } = lease;
    // Another one would hardly be better, and without a pause there might be no end.
    if (connection.fault !== undefined) throw connection.fault;
    if (connection.closed) return false;
    if (this.#options.factory.validate === undefined || !connection.stale) return true;
    return await bounded(() => this.#test(connection), {
      clock: this.poolOptions.clock,
      timeoutMs,
      timedOut: () => new AcquireTimeoutError('no connection that was tested', timeoutMs, this.stats()),
      signal,
      late: (works) => {
        if (!lease.held) return;
        if (works) lease.release();
        else lease.destroy();
      },
    });
  }

  /** Never rejects. */
  async #test(resource: Resource<R>): Promise<boolean> {
    const { factory, createTimeoutMs } = this.#options;
    const { clock } = this.poolOptions;
    const timedOut = (): Error => new Error(`no result within ${createTimeoutMs} ms`);
    try {
      const works = await bounded(async () => await factory.validate?.(resource.value), {
        clock,
        timeoutMs: createTimeoutMs,
        timedOut,
      });
      return works === true && !resource.closed;
    } catch {
      return false;
    }
  }

  /** Makes what is missing: what is to be idle, and one for each who waits. */
  #fill(): void {
    if (this.#pause !== undefined || !this.ready) return;
    const wanted = Math.max(this.missing, this.waiting - this.connecting);
    for (let left = Math.min(wanted, this.#options.maxCreating - this.connecting); left > 0; left -= 1) {
      const room = this.reserve();
      if (room === undefined) return;
      void this.#create(room);
    }
  }

  async #create(room: Reservation<Resource<R>>): Promise<void> {
    const { factory, createTimeoutMs } = this.#options;
    const { generation } = this;
    try {
      const value = await bounded((signal) => factory.create({ signal }), {
        clock: this.poolOptions.clock,
        timeoutMs: createTimeoutMs,
        timedOut: () => new Error(`nothing within createTimeoutMs ${createTimeoutMs}`),
        signal: this.#ending.signal,
        late: (value) => void endResource(value, factory, this.#owner),
      });
      this.#made += 1;
      const resource = new Resource(value, factory, this.#owner);
      const isKept = room.put(`${this.name}-${this.#made}`, resource);
      // One that has ended already is as bad as none, unless a flush has meanwhile ended all.
      if (!isKept && generation === this.generation) throw new Error('what was made could not be kept');
      this.#failure = undefined;
      this.#backoff.reset();
      this.#fill();
    } catch (error) {
      this.#failed(room, error);
    }
  }

  #failed(room: Reservation<Resource<R>>, cause: unknown): void {
    const { clock } = this.poolOptions;
    if (!this.ready) return room.cancel();
    const now = clock.now();
    if (this.#failure === undefined) this.#failingSince = now;
    this.#failure = new ResourceError('create', this.name, cause);
    this.addError();
    const pauseMs = this.#backoff.next(maxDelayFor(cause, now - this.#failingSince));
    clock.clearTimeout(this.#pause);
    this.#pause = clock.setTimeout(() => {
      this.#pause = undefined;
      this.#fill();
    }, pauseMs);
    room.cancel();
    // Those in use come back, and those under way may succeed.
    if (this.inUse === 0 && this.connecting === 0) this.refuseWaiting(this.#failure);
    this.#fault(this.#failure);
  }

  #stop(): void {
    this.poolOptions.clock.clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#ending.abort(new PoolClosedError(this.name));
  }

  #fault(error: ResourceError): ResourceError {
    if (this.heard('fault')) this.tell('fault', { pool: this.name, error });
    return error;
  }
}
