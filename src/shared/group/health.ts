/** Asks a node from time to time whether it is well. */
import type { Clock, Timer } from '../clock.ts';
import { HealthCheckTimeoutError } from '../errors.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { NodePool } from './node-pool.ts';

/** How far a pause strays from its length, either way, as a share of it. */
const JITTER = 0.1;

/** Why a check under way is aborted when its node leaves. */
const STOPPED = new Error('the node is no longer checked');

/** When to check (ms), how many results of a kind in a row count, and who hears of it. */
interface HealthCheckOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  /** For errors. */
  readonly node: string;
  /** Passes when it resolves. */
  readonly check: (signal: AbortSignal) => Promise<void> | void;
  /** Hears that enough results in a row say the same. */
  readonly told: (healthy: boolean, error?: unknown) => void;
  readonly clock: Clock;
  readonly random: () => number;
}

/** How much of its time the default check waits: the pool's own reason says more than a check that was late. */
const WAIT_SHARE = 0.9;

/**
 * The check that suits every pool: a connection is there, or can be had. One that is in use is a sign of life too, and
 * so are idle ones that only the other side opens on.
 *
 * @param timeoutMs of the check
 * @throws what the pool's acquire throws
 */
export async function connectionCanBeHad<T extends PoolConnection>(
  pool: NodePool<T>,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  if (pool.idle + pool.inUse > 0) return;
  try {
    const lease = await pool.acquire({ timeoutMs: timeoutMs * WAIT_SHARE, signal });
    if (lease.held) lease.release();
  } catch (error) {
    if (pool.idle + pool.inUse === 0) throw error;
  }
}

/**
 * The checks of one node, one at a time. The first comes at a random moment of the first interval, so that those of
 * many nodes are spread.
 */
export class NodeCheck {
  readonly #options: HealthCheckOptions;
  #timer: Timer | undefined;
  /** Aborts the check under way. */
  #current: AbortController | undefined;
  /** Results of the same kind in a row. */
  #passed = 0;
  #failed = 0;

  constructor(options: HealthCheckOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(this.#options.random());
  }

  /** Checks out of turn, unless a check is under way. */
  now(): void {
    if (this.#current === undefined) void this.#check();
  }

  /** A check under way is aborted; a timeout of it may still be told. */
  stop(): void {
    this.#options.clock.clearTimeout(this.#timer);
    this.#current?.abort(STOPPED);
  }

  /** @param share of the interval */
  #schedule(share: number): void {
    const { intervalMs, clock, random } = this.#options;
    this.#timer = clock.setTimeout(() => {
      this.#schedule(1 + JITTER * (2 * random() - 1));
      // One that is still under way in spite of its abort has failed once more.
      if (this.#current === undefined) void this.#check();
      else this.#count(false, this.#current.signal.reason);
    }, intervalMs * share);
    this.#timer.unref?.();
  }

  async #check(): Promise<void> {
    const { node, check, timeoutMs, clock } = this.#options;
    const current = new AbortController();
    this.#current = current;
    const timer = clock.setTimeout(() => {
      const error = new HealthCheckTimeoutError(node, timeoutMs);
      current.abort(error);
      this.#count(false, error);
    }, timeoutMs);
    timer.unref?.();
    let error: unknown;
    let passed = false;
    try {
      await check(current.signal);
      passed = true;
    } catch (problem) {
      error = problem;
    }
    clock.clearTimeout(timer);
    this.#current = undefined;
    if (!current.signal.aborted) this.#count(passed, error);
  }

  #count(passed: boolean, error?: unknown): void {
    const { rise, fall, told } = this.#options;
    this.#passed = passed ? this.#passed + 1 : 0;
    this.#failed = passed ? 0 : this.#failed + 1;
    if (this.#passed >= rise) told(true);
    else if (this.#failed >= fall) told(false, error);
  }
}
