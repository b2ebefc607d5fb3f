import test from 'ava';
import type { Lease } from '../../../src/shared/pool/lease.ts';
import type { PutRefusedEvent } from '../../../src/shared/pool/pool-events.ts';
import { FakeConnection, fill, poolOf } from '../../helpers/fake-connection.ts';

function refusals(pool: ReturnType<typeof poolOf>['pool']): PutRefusedEvent['reason'][] {
  const reasons: PutRefusedEvent['reason'][] = [];
  pool.on('putRefused', ({ reason }) => reasons.push(reason));
  return reasons;
}

test('a connection that is put is idle, is handed out by its ID, and comes back', async (t) => {
  const { pool } = poolOf();
  const [connection] = fill(pool, ['a']) as [FakeConnection];
  t.deepEqual([pool.idle, pool.inUse, pool.size], [1, 0, 1]);
  const lease = await pool.get('a', { timeoutMs: 0 });
  t.is(lease.connection, connection);
  t.deepEqual([pool.idle, pool.inUse, pool.size], [0, 1, 1]);
  t.true(lease.release());
  t.deepEqual([pool.idle, pool.inUse, pool.size], [1, 0, 1]);
});

test('put of a handed-out connection gives it back and ends its lease', (t) => {
  const { pool } = poolOf();
  const [connection] = fill(pool, ['a']) as [FakeConnection];
  const lease = pool.tryAcquire();
  t.true(pool.put('a', connection));
  t.false(lease?.held);
  t.throws(() => lease?.release(), { code: 'POOLD_ERR_NOT_OWNED' });
  t.is(pool.idle, 1);
});

test('case 11: a second connection of an ID is closed, never the one already there', (t) => {
  const { pool } = poolOf();
  const reasons = refusals(pool);
  const [first] = fill(pool, ['a']) as [FakeConnection];
  const second = new FakeConnection('a');
  t.false(pool.put('a', second));
  t.is(second.closedFor, 'duplicate-id');
  t.false(first.closed);
  t.deepEqual(reasons, ['duplicate-id']);
});

test('case 14: putting an idle connection again is an error, and it stays', (t) => {
  const { pool } = poolOf();
  const [connection] = fill(pool, ['a']) as [FakeConnection];
  t.throws(() => pool.put('a', connection), { code: 'POOLD_ERR_NOT_OWNED' });
  t.deepEqual([pool.idle, connection.closed], [1, false]);
});

test('case 14: what cannot be kept is closed, and the reason told', (t) => {
  const { pool } = poolOf({ max: 1 });
  const reasons = refusals(pool);
  const closed = new FakeConnection('closed');
  closed.close('peer-closed');
  const unfinished = new FakeConnection('unfinished');
  unfinished.state = 'unfinished';
  for (const connection of [closed, unfinished]) t.false(pool.put(connection.id, connection));
  fill(pool, ['a', 'too many']);
  pool.destroy();
  fill(pool, ['too late']);
  t.deepEqual(reasons, ['peer-closed', 'unfinished', 'pool-full', 'pool-closed']);
  t.is(pool.size, 0);
});

test('case 12: a connection that comes back unfinished or with unread bytes is closed', (t) => {
  const { pool } = poolOf();
  const reasons = refusals(pool);
  const [unfinished, unread] = fill(pool, ['a', 'b']) as [FakeConnection, FakeConnection];
  const leases = [pool.tryAcquire(), pool.tryAcquire()];
  unfinished.state = 'unfinished';
  unread.unread = true;
  for (const lease of leases) t.false(lease?.release());
  t.deepEqual(reasons.toSorted(), ['unfinished', 'unread']);
  t.deepEqual([unfinished.closed, unread.closed, pool.size], [true, true, 0]);
});

test('case 14: a lease ends once: a second release, a foreign one, and one after destroy are errors', (t) => {
  const { pool } = poolOf();
  const other = poolOf().pool;
  fill(pool, ['a', 'b']);
  const lease = pool.tryAcquire();
  t.true(lease?.release());
  t.throws(() => lease?.release(), { code: 'POOLD_ERR_NOT_OWNED' });
  const second = pool.tryAcquire() as Lease<FakeConnection>;
  t.throws(() => other.release(second), { code: 'POOLD_ERR_NOT_OWNED' });
  t.true(second.held);
  second.destroy();
  t.throws(() => second.destroy(), { code: 'POOLD_ERR_NOT_OWNED' });
  t.is(pool.size, 1);
});

test('a connection that dies in use is forgotten at once, and its lease still ends without an error', (t) => {
  const { pool } = poolOf();
  const [connection] = fill(pool, ['a']) as [FakeConnection];
  const lease = pool.tryAcquire();
  connection.close('peer-closed');
  t.is(pool.size, 0);
  t.false(lease?.release());
});

test('a connection that has closed, and not said so yet, is not kept when it comes back', async (t) => {
  const { pool } = poolOf();
  const reasons = refusals(pool);
  const [connection] = fill(pool, ['a']) as [FakeConnection];
  const lease = pool.tryAcquire();
  const waiting = pool.acquire();
  connection.closed = true;
  t.false(lease?.release());
  t.deepEqual(reasons, ['peer-closed']);
  t.deepEqual([pool.size, pool.waiting], [0, 1]);
  fill(pool, ['b']);
  t.is((await waiting).id, 'b');
});

test('a dead idle connection leaves by itself, and is never handed out', (t) => {
  const { pool } = poolOf();
  const [older, newer] = fill(pool, ['older', 'newer']) as [FakeConnection, FakeConnection];
  newer.close('peer-closed');
  t.is(pool.idle, 1);
  t.is(pool.tryAcquire()?.connection, older);
  t.is(pool.tryAcquire(), undefined);
});

test('a lease that goes out of scope gives its connection back', async (t) => {
  const { pool } = poolOf();
  fill(pool, ['a']);
  {
    await using lease = await pool.acquire();
    t.true(lease.held);
  }
  t.is(pool.idle, 1);
});

test('use gives back on every path', async (t) => {
  const { pool } = poolOf();
  fill(pool, ['a']);
  t.is(await pool.use((connection) => connection.id), 'a');
  await t.throwsAsync(
    pool.use(() => {
      throw new Error('the work failed');
    }),
    { message: 'the work failed' },
  );
  t.is(await pool.use((_connection, lease) => lease.destroy()), undefined);
  t.is(pool.size, 0);
});

test('a reservation keeps room, counts as connecting, and ends once', (t) => {
  const { pool } = poolOf({ max: 2 });
  const room = pool.reserve();
  fill(pool, ['a']);
  t.deepEqual([pool.connecting, pool.size, pool.reserve()], [1, 2, undefined]);
  t.true(room?.put('b', new FakeConnection('b')));
  t.deepEqual([pool.connecting, pool.size], [0, 2]);
  t.false(room?.put('c', new FakeConnection('c')));
  room?.cancel();
  t.deepEqual([pool.connecting, pool.size], [0, 2]);
});

test('missing is capacity less idle less connecting, and never past max', (t) => {
  const { pool } = poolOf({ min: 4, capacity: 4, max: 6 });
  t.is(pool.missing, 4);
  pool.reserve();
  fill(pool, ['a', 'b']);
  t.is(pool.missing, 1);
  pool.tryAcquire();
  t.is(pool.missing, 2);
  fill(pool, ['c', 'd']);
  t.is(pool.missing, 0);
  for (let taken = 0; taken < 3; taken += 1) pool.tryAcquire();
  t.deepEqual([pool.idle, pool.inUse, pool.connecting, pool.missing], [0, 4, 1, 1]);
});

test('a passive connection counts as idle and is handed out by its ID alone', (t) => {
  const { pool } = poolOf();
  pool.put('a', new FakeConnection('a'), { passive: true });
  t.is(pool.idle, 1);
  t.is(pool.tryAcquire(), undefined);
  const lease = pool.tryGet('a');
  t.is(lease?.id, 'a');
  t.is(pool.tryGet('a'), undefined);
  t.true(lease?.release());
  t.is(pool.tryAcquire(), undefined);
});
