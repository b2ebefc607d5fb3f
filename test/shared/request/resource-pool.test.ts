import test from 'ava';
import type { ResourceFactory } from '../../../src/shared/request/resource-factory.ts';
import { ResourcePool } from '../../../src/shared/request/resource-pool.ts';
import type { ResourcePoolOptions } from '../../../src/shared/request/resource-pool-options.ts';
import { manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';

/** What a pool has done with its resources, which are numbers. */
function poolOf(options: Partial<ResourcePoolOptions<number>> = {}, factory: Partial<ResourceFactory<number>> = {}) {
  const time = manualClock();
  const made: number[] = [];
  const destroyed: number[] = [];
  const tested: number[] = [];
  const lost = new Map<number, () => void>();
  const pool = new ResourcePool<number>({
    clock: time.clock,
    random: () => 0.5,
    ...options,
    factory: {
      create: () => {
        made.push(made.length + 1);
        return Promise.resolve(made.length);
      },
      destroy: (resource) => void destroyed.push(resource),
      watch: (resource, gone) => void lost.set(resource, gone),
      validate: (resource) => {
        tested.push(resource);
        return true;
      },
      ...factory,
    },
  });
  return { pool, time, made, destroyed, tested, lost };
}

/** A create whose ends the test decides. */
function heldCreate() {
  const creates: { resolve(value: number): void; reject(error: Error): void; signal: AbortSignal }[] = [];
  const create: ResourceFactory<number>['create'] = ({ signal }) =>
    new Promise((resolve, reject) => void creates.push({ resolve, reject, signal }));
  return { creates, create };
}

test('resources are made up to the maximum, then waited for in order', async (t) => {
  const { pool, made } = poolOf({ max: 2 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  t.deepEqual([pool.inUse, pool.idle, made.length], [2, 0, 2]);
  const served: string[] = [];
  const waiting = ['a', 'b'].map(async (name) => {
    const lease = await pool.acquire();
    served.push(`${name} ${lease.connection.value}`);
    return lease;
  });
  second.release();
  first.release();
  await Promise.all(waiting);
  t.deepEqual(served, ['a 2', 'b 1']);
});

test('with maxWaiting 0 an acquire beyond the maximum fails at once', async (t) => {
  const { pool } = poolOf({ max: 1, maxWaiting: 0 });
  const lease = await pool.acquire();
  await t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_QUEUE_FULL' });
  lease.release();
  t.is(await pool.use(({ value }) => value), 1);
});

test('what was just used is handed out untested, what was idle for long is tested, and replaced if it fails', async (t) => {
  let works = true;
  const { pool, time, tested, destroyed } = poolOf(
    {},
    {
      validate: (resource) => {
        tested.push(resource);
        return works;
      },
    },
  );
  await pool.use(() => {});
  await time.advance(400);
  t.is(await pool.use(({ value }) => value), 1);
  t.deepEqual(tested, []);
  await time.advance(600);
  t.is(await pool.use(({ value }) => value), 1);
  t.deepEqual(tested, [1]);
  await time.advance(600);
  works = false;
  t.is(await pool.use(({ value }) => value), 2, 'a new one has no need of a test');
  t.deepEqual(destroyed, [1]);
});

test('a test that throws or never ends is a failed one', async (t) => {
  const answers = [() => Promise.reject(new Error('broken')), () => new Promise<boolean>(() => {})];
  const { pool, time, destroyed } = poolOf({ createTimeoutMs: 50 }, { validate: () => answers.shift()?.() ?? true });
  await pool.use(() => {});
  await time.advance(600);
  t.is(await pool.use(({ value }) => value), 2);
  await time.advance(600);
  const used = pool.use(({ value }) => value);
  await time.advance(50);
  t.is(await used, 3);
  t.deepEqual(destroyed, [1, 2]);
});

test('whoever does not wait for the end of a test leaves the resource to it', async (t) => {
  const tests: ((works: boolean) => void)[] = [];
  const validate = (): Promise<boolean> => new Promise((resolve) => void tests.push(resolve));
  const { pool, time, destroyed } = poolOf({ createTimeoutMs: 1000 }, { validate });
  await pool.use(() => {});
  await time.advance(600);
  const leaving = new AbortController();
  const acquired = pool.acquire({ signal: leaving.signal });
  await time.advance(0);
  leaving.abort(new Error('left'));
  await t.throwsAsync(acquired, { message: 'left' });
  t.deepEqual([destroyed, pool.inUse], [[], 1]);
  tests[0]?.(true);
  await time.advance(600);
  t.deepEqual([destroyed, pool.inUse, pool.idle], [[], 0, 1]);
  const now = t.throwsAsync(pool.acquire({ timeoutMs: 0 }), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  await time.advance(1);
  await now;
  t.deepEqual([destroyed, pool.inUse], [[], 1]);
  await time.advance(1000);
  t.deepEqual([destroyed, pool.inUse, pool.idle], [[1], 0, 0]);
});

test('more than are made at once are made one after the other', async (t) => {
  const { pool, made } = poolOf({ min: 20, maxCreating: 8 });
  await pool.warmed(20);
  t.deepEqual([pool.idle, made.length], [20, 20]);
});

test('what a flush overtakes in the making has not failed', async (t) => {
  const { creates, create } = heldCreate();
  const { pool, destroyed } = poolOf({}, { create });
  const acquired = pool.acquire();
  pool.flush();
  creates[0]?.resolve(1);
  await until(() => creates.length === 2, 'another is made');
  creates[1]?.resolve(2);
  t.is((await acquired).connection.value, 2);
  t.deepEqual([destroyed, pool.failure, pool.errorCount], [[1], undefined, 0]);
});

test('a maximum that grows is used at once, and one that shrinks as resources go', async (t) => {
  const { pool, destroyed } = poolOf({ max: 1 });
  const first = await pool.acquire();
  const waiting = pool.acquire();
  pool.setMax(2);
  const second = await waiting;
  pool.setMax(1);
  t.is(pool.size, 2);
  first.destroy();
  t.throws(() => pool.setMax(0), { code: 'POOLD_ERR_INVALID_OPTION', message: /^max/ });
  await t.throwsAsync(pool.acquire({ timeoutMs: 0 }), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  second.release();
  t.is(await pool.use(({ value }) => value), 2);
  t.deepEqual(destroyed, [1]);
});

test('min are made at once and kept, others are ended when they were idle for long', async (t) => {
  const { pool, time, destroyed } = poolOf({ min: 1, idleTimeoutMs: 1000 });
  await pool.warmed(1);
  const leases = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  for (const lease of leases) lease.release();
  await time.advance(2000);
  t.is(pool.idle, 1);
  t.true(destroyed.length >= 2);
});

test('a resource whose lifetime is over is ended, and min are made anew', async (t) => {
  const { pool, time, destroyed, made } = poolOf({ min: 1, maxLifetimeMs: 1000 });
  await pool.warmed(1);
  await time.advance(1500);
  t.true(destroyed.includes(1));
  t.is(pool.idle, 1);
  t.true(made.length > 1);
});

test('no more than maxCreating are made at once', async (t) => {
  const { creates, create } = heldCreate();
  const { pool } = poolOf({ maxCreating: 2 }, { create });
  const acquired = Array.from({ length: 5 }, async () => (await pool.acquire()).connection.value);
  t.is(creates.length, 2);
  creates[0]?.resolve(7);
  t.is(await acquired[0], 7);
  t.is(creates.length, 3);
  t.is(pool.connecting, 2);
  pool.destroy();
  await Promise.allSettled(acquired);
});

test('however many are made at once, Node warns of no leak', async (t) => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  const { create } = heldCreate();
  const { pool, time } = poolOf({ min: 20, maxCreating: 20 }, { create });
  t.is(pool.connecting, 20);
  await time.advance(0);
  process.off('warning', note);
  t.deepEqual(warnings, []);
  pool.destroy();
});

test('when nothing can be made, those who wait hear why, and the next try comes after a pause', async (t) => {
  let healthy = false;
  let tries = 0;
  const { pool, time } = poolOf(
    {},
    {
      create: () => {
        tries += 1;
        return healthy ? Promise.resolve(1) : Promise.reject(new Error('nobody listens'));
      },
    },
  );
  const faults: unknown[] = [];
  pool.on('fault', ({ error }) => faults.push(error));
  const error = await t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_RESOURCE', message: /nobody listens/ });
  t.like(error, { cause: { message: 'nobody listens' } });
  t.deepEqual(faults, [error]);
  healthy = true;
  const later = pool.acquire();
  await time.advance(5);
  t.is(tries, 1, 'who comes now waits for the end of the pause');
  await time.advance(100);
  t.is((await later).connection.value, 1);
  t.is(pool.failure, undefined);
});

test('who waits while others are in use goes on waiting for them when a create fails', async (t) => {
  const { creates, create } = heldCreate();
  const { pool, time } = poolOf({}, { create });
  const first = pool.acquire();
  creates[0]?.resolve(1);
  const lease = await first;
  const second = pool.acquire();
  const third = pool.acquire({ timeoutMs: 50 });
  const timedOut = t.throwsAsync(third, { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  creates[1]?.reject(new Error('no more'));
  creates[2]?.reject(new Error('no more'));
  await time.advance(0);
  lease.release();
  t.is((await second).connection.value, 1);
  await time.advance(50);
  t.is((await timedOut)?.cause, pool.failure);
});

test('a create that takes too long fails, and what it brings later is ended', async (t) => {
  const { creates, create } = heldCreate();
  const { pool, time, destroyed } = poolOf({ createTimeoutMs: 100 }, { create });
  const acquired = t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_RESOURCE', message: /createTimeoutMs 100/ });
  await time.advance(100);
  await acquired;
  t.true(creates[0]?.signal.aborted);
  creates[0]?.resolve(9);
  await time.advance(0);
  t.deepEqual(destroyed, [9]);
});

test('a resource that ends by itself is noticed, idle or in use', async (t) => {
  const { pool, lost } = poolOf();
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  one.release();
  lost.get(1)?.();
  t.deepEqual([pool.idle, pool.inUse], [0, 1]);
  lost.get(2)?.();
  t.is(pool.inUse, 0);
  t.false(two.release());
});

test('what is not clean when it comes back has no next borrower', async (t) => {
  const { pool, destroyed } = poolOf({}, { clean: () => false });
  await pool.use(() => {});
  t.deepEqual([destroyed, pool.idle], [[1], 0]);
});

test('what destroy throws is a fault, and nothing else', async (t) => {
  const { pool } = poolOf({}, { destroy: () => Promise.reject(new Error('stuck')) });
  const faults: string[] = [];
  pool.on('fault', ({ error }) => faults.push(error.message));
  (await pool.acquire()).destroy();
  await pool.close();
  t.is(faults.length, 1);
  t.regex(faults[0] ?? '', /could not destroy .* stuck/);
});

test('a method of the factory that throws costs the resource, and is a fault', async (t) => {
  const throws = (): never => {
    throw new Error('a bug');
  };
  for (const stage of ['clean', 'park'] as const) {
    const { pool, destroyed } = poolOf({ max: 1 }, { [stage]: throws });
    const faults: string[] = [];
    pool.on('fault', ({ error }) => faults.push(error.message));
    for (const expected of [1, 2]) t.is(await pool.use(({ value }) => value), expected, stage);
    t.deepEqual([destroyed, pool.idle, pool.inUse, faults.length], [[1, 2], 0, 0, 2]);
    t.regex(faults[0] ?? '', new RegExp(`could not ${stage} a resource: a bug`));
  }
  const { pool, destroyed } = poolOf({ max: 1 }, { unpark: throws });
  await t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_RESOURCE', message: /could not unpark .* a bug/ });
  t.deepEqual([destroyed, pool.inUse], [[1], 0]);
});

test('what cannot be watched is not kept, in time or late', async (t) => {
  const { creates, create } = heldCreate();
  const watch = (): never => {
    throw new Error('a bug');
  };
  const { pool, time, destroyed } = poolOf({ createTimeoutMs: 100 }, { create, watch });
  const first = t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_RESOURCE', message: /a bug/ });
  creates[0]?.resolve(1);
  await first;
  const second = t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_RESOURCE', message: /createTimeoutMs/ });
  await time.advance(1000);
  await second;
  creates[1]?.resolve(2);
  await time.advance(0);
  t.deepEqual(destroyed, [1, 2]);
});

test('close waits for those in use, ends what is being made, and destroys all after the grace', async (t) => {
  const { creates, create } = heldCreate();
  const { pool, time, destroyed } = poolOf({}, { create });
  const acquired = pool.acquire();
  creates[0]?.resolve(1);
  await acquired;
  const refused = t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_POOL_CLOSED' });
  const closed = pool.close({ graceMs: 1000 });
  await refused;
  t.true(creates[1]?.signal.aborted);
  t.deepEqual(destroyed, []);
  await time.advance(1000);
  await closed;
  t.deepEqual(destroyed, [1]);
  t.is(time.timers, 0);
});

test('an option that cannot be is named', (t) => {
  t.throws(() => poolOf({ maxCreating: 0 }), { code: 'POOLD_ERR_INVALID_OPTION', message: /maxCreating/ });
  t.throws(() => poolOf({ colour: 1 } as object), { code: 'POOLD_ERR_INVALID_OPTION', message: /colour/ });
});
