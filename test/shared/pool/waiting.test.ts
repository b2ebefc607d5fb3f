import { getEventListeners } from 'node:events';
import test from 'ava';
import type { Lease } from '../../../src/shared/pool/lease.ts';
import { type FakeConnection, fill, poolOf } from '../../helpers/fake-connection.ts';

test('those who wait are served first come, first served', async (t) => {
  const { pool } = poolOf();
  const order: string[] = [];
  const waiters = ['first', 'second', 'third'].map((name) => pool.acquire().then(() => order.push(name)));
  t.is(pool.waiting, 3);
  fill(pool, ['a', 'b', 'c']);
  await Promise.all(waiters);
  t.deepEqual(order, ['first', 'second', 'third']);
  t.deepEqual([pool.waiting, pool.inUse, pool.idle], [0, 3, 0]);
});

test('a connection that comes back goes to the first who waits', async (t) => {
  const { pool } = poolOf();
  fill(pool, ['a']);
  const lease = pool.tryAcquire();
  const waiting = pool.acquire();
  lease?.release();
  t.is((await waiting).id, 'a');
});

test('an acquire that finds nothing in time says what the pool looks like', async (t) => {
  const { pool, time } = poolOf();
  fill(pool, ['a']);
  pool.tryAcquire();
  const waiting = pool.acquire({ timeoutMs: 300 });
  const failed = t.throwsAsync(waiting, { code: 'POOLD_ERR_ACQUIRE_TIMEOUT', message: /after 300 ms.*1 in use/ });
  await time.advance(300);
  await failed;
  t.is(pool.waiting, 0);
});

test('timeout 0 is now or never; without one the pool decides; Infinity waits for ever', async (t) => {
  const { pool, time } = poolOf({ acquireTimeoutMs: 50 });
  await t.throwsAsync(pool.acquire({ timeoutMs: 0 }), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  const patient = pool.acquire({ timeoutMs: Infinity });
  const failed = t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  await time.advance(100_000);
  await failed;
  fill(pool, ['a']);
  t.is((await patient).id, 'a');
});

test('an abort ends the wait with its reason, and the connection goes to the next', async (t) => {
  const { pool } = poolOf();
  const abort = new AbortController();
  const failed = t.throwsAsync(pool.acquire({ signal: abort.signal }), { message: 'changed my mind' });
  const next = pool.acquire();
  abort.abort(new Error('changed my mind'));
  await failed;
  fill(pool, ['a']);
  t.is((await next).id, 'a');
  await t.throwsAsync(pool.acquire({ signal: abort.signal }), { message: 'changed my mind' });
});

test('one signal for many who wait has one listener, and none once they are served', async (t) => {
  const { pool } = poolOf({ max: 21 });
  const { signal } = new AbortController();
  const leases = Array.from({ length: 20 }, () => pool.acquire({ signal }));
  const warm = Array.from({ length: 20 }, () => pool.warmed(1, { signal }));
  t.is(getEventListeners(signal, 'abort').length, 1);
  fill(
    pool,
    Array.from({ length: 21 }, (_, index) => `c${index}`),
  );
  await Promise.all([...leases, ...warm]);
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test('an abort while the connection is being granted comes too late, and harms nobody who waits', async (t) => {
  const { pool } = poolOf();
  const abort = new AbortController();
  pool.once('acquired', () => abort.abort(new Error('too late')));
  const waiting = [pool.acquire({ signal: abort.signal }), pool.acquire(), pool.acquire()];
  fill(pool, ['a']);
  t.is(pool.waiting, 2);
  fill(pool, ['b', 'c']);
  t.deepEqual(
    (await Promise.all(waiting)).map(({ id }) => id),
    ['a', 'b', 'c'],
  );
  t.deepEqual([pool.waiting, pool.inUse, pool.idle], [0, 3, 0]);
});

test('the queue has an end', async (t) => {
  const { pool } = poolOf({ maxWaiting: 1 });
  const first = pool.acquire();
  await t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_QUEUE_FULL' });
  await t.throwsAsync(pool.get('x'), { code: 'POOLD_ERR_QUEUE_FULL' });
  fill(pool, ['a']);
  t.is((await first).id, 'a');
});

test('get waits for its own connection, which passes by those who wait for any', async (t) => {
  const { pool } = poolOf();
  const anyone = pool.acquire();
  const wanted = pool.get('b');
  fill(pool, ['b']);
  t.is((await wanted).id, 'b');
  fill(pool, ['a']);
  t.is((await anyone).id, 'a');
});

test('get of a connection in use waits until it is back', async (t) => {
  const { pool } = poolOf();
  fill(pool, ['a']);
  const lease = pool.tryAcquire();
  t.is(pool.tryGet('a'), undefined);
  const waiting = pool.get('a');
  lease?.release();
  t.is((await waiting).id, 'a');
});

test('get that finds nothing in time names the connection', async (t) => {
  const { pool, time } = poolOf();
  const failed = t.throwsAsync(pool.get('gone', { timeoutMs: 10 }), { message: /no connection gone after 10 ms/ });
  await time.advance(10);
  await failed;
});

test('who waits for a group is passed by by other groups', async (t) => {
  const { pool } = poolOf();
  const picky = pool.acquire({ group: 'b' });
  const averse = pool.acquire({ notGroup: 'a' });
  const easy = pool.acquire();
  fill(pool, ['a1'], 'a');
  t.is((await easy).id, 'a1');
  fill(pool, ['b1', 'b2'], 'b');
  t.is((await picky).id, 'b1');
  t.is((await averse).id, 'b2');
});

test('warmed resolves when so many are idle at once', async (t) => {
  const { pool } = poolOf();
  let warm = false;
  const waiting = pool.warmed(3).then(() => (warm = true));
  fill(pool, ['a', 'b']);
  pool.tryAcquire();
  fill(pool, ['c']);
  await Promise.resolve();
  t.false(warm);
  fill(pool, ['d']);
  await waiting;
  await pool.warmed(2);
  t.is(pool.idle, 3);
});

test('warmed ends with an abort, and with the pool', async (t) => {
  const { pool } = poolOf();
  const abort = new AbortController();
  const aborted = t.throwsAsync(pool.warmed(1, { signal: abort.signal }), { message: 'enough' });
  const closed = t.throwsAsync(pool.warmed(1), { code: 'POOLD_ERR_POOL_CLOSED' });
  abort.abort(new Error('enough'));
  pool.destroy();
  await Promise.all([aborted, closed]);
  await t.throwsAsync(pool.warmed(0), { code: 'POOLD_ERR_POOL_CLOSED' });
});

test('a hundred who wait, leave and time out in any order: the living are served in order, and nothing is lost', async (t) => {
  const { pool, time } = poolOf();
  const served: number[] = [];
  const aborts: AbortController[] = [];
  const leases: Lease<FakeConnection>[] = [];
  const waits = Array.from({ length: 100 }, (_, index) => {
    const abort = new AbortController();
    aborts.push(abort);
    const timeoutMs = index % 3 === 0 ? 10 : 1000;
    return pool.acquire({ signal: abort.signal, timeoutMs }).then(
      (lease) => {
        served.push(index);
        leases.push(lease);
      },
      () => {},
    );
  });
  for (let index = 0; index < 100; index += 7) aborts[index]?.abort(new Error('left'));
  await time.advance(10);
  const living = Array.from({ length: 100 }, (_, index) => index).filter((index) => index % 3 !== 0 && index % 7 !== 0);
  fill(
    pool,
    living.map((index) => `c${index}`),
  );
  await Promise.all(waits);
  t.deepEqual(served, living);
  t.deepEqual([pool.inUse, pool.idle, pool.waiting], [living.length, 0, 0]);
  for (const lease of leases) lease.release();
  t.is(pool.idle, living.length);
});
