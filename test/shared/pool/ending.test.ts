import test from 'ava';
import { FakeConnection, fill, PoliteConnection, poolOf } from '../../helpers/fake-connection.ts';

test('clean closes the idle connections only', (t) => {
  const { pool } = poolOf();
  const [idle, used] = fill(pool, ['idle', 'used']) as [FakeConnection, FakeConnection];
  const lease = pool.tryAcquire();
  t.is(pool.clean(), 1);
  t.deepEqual([idle.closedFor, used.closed, pool.size], ['cleaned', false, 1]);
  t.true(lease?.release());
});

test('clean spares a connection that a listener takes meanwhile', (t) => {
  const { pool } = poolOf();
  fill(pool, ['a', 'b', 'c']);
  pool.once('connectionClosed', () => void pool.tryAcquire());
  t.is(pool.clean(), 2);
  t.deepEqual([pool.idle, pool.inUse], [0, 1]);
});

test('flush closes all, idle, handed out and claimed, at once', (t) => {
  const { pool } = poolOf();
  const connections = fill(pool, ['idle', 'claimed', 'used']) as [FakeConnection, FakeConnection, FakeConnection];
  connections[1].receive();
  const lease = pool.tryAcquire();
  t.is(pool.flush(), 3);
  t.deepEqual(
    connections.map(({ closedFor }) => closedFor),
    ['flushed', 'flushed', 'flushed'],
  );
  t.is(pool.size, 0);
  t.false(lease?.release());
});

test('a graceful flush lets the handed-out ones end, and closes them when they come back', (t) => {
  const { pool } = poolOf();
  const [idle, used] = fill(pool, ['idle', 'used']) as [FakeConnection, FakeConnection];
  const lease = pool.tryAcquire();
  t.is(pool.flush({ graceful: true }), 1);
  t.deepEqual([idle.closed, used.closed, pool.generation], [true, false, 1]);
  t.false(lease?.release());
  t.is(used.closedFor, 'stale');
  fill(pool, ['new']);
  t.is(pool.idle, 1);
});

test('what was being made during a flush is closed when it arrives', (t) => {
  const { pool } = poolOf();
  const room = pool.reserve();
  pool.flush();
  const late = new FakeConnection('late');
  t.false(room?.put('late', late));
  t.is(late.closedFor, 'stale');
});

test('close refuses those who come and those who wait, and waits for what is out', async (t) => {
  const { pool } = poolOf();
  fill(pool, ['idle', 'used']);
  const lease = pool.tryAcquire();
  pool.tryGet('idle')?.release();
  const waiting = t.throwsAsync(pool.get('nobody'), { code: 'POOLD_ERR_POOL_CLOSED' });
  let closed = false;
  const closing = pool.close().then(() => (closed = true));
  await waiting;
  t.deepEqual([pool.ready, pool.state, pool.idle, closed], [false, 'closing', 0, false]);
  await t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_POOL_CLOSED' });
  t.is(pool.tryAcquire(), undefined);
  t.false(lease?.release());
  await closing;
  t.deepEqual([pool.state, pool.size], ['closed', 0]);
});

test('close destroys what is still out when the grace is over', async (t) => {
  const { pool, time } = poolOf();
  const [used] = fill(pool, ['used']) as [FakeConnection];
  pool.tryAcquire();
  const closing = pool.close({ graceMs: 500 });
  await time.advance(499);
  t.false(used.closed);
  await time.advance(1);
  await closing;
  t.is(used.closedFor, 'pool-closed');
});

test('a polite connection is said goodbye to, and closing waits until it is gone', async (t) => {
  const { pool } = poolOf();
  const [idle, used] = [new PoliteConnection('idle'), new PoliteConnection('used')];
  for (const connection of [idle, used]) pool.put(connection.id, connection);
  const lease = pool.tryAcquire();
  let closed = false;
  const closing = pool.close().then(() => (closed = true));
  t.deepEqual([idle.retiredFor, used.retiredFor, pool.idle], ['pool-closed', 'pool-closed', 0]);
  lease?.release();
  idle.close('drained');
  await Promise.resolve();
  t.false(closed);
  used.close('drained');
  await closing;
  t.pass();
});

test('destroy does not wait, and those who wait hear its cause', async (t) => {
  const { pool } = poolOf();
  const [idle, used] = fill(pool, ['idle', 'used']) as [FakeConnection, FakeConnection];
  pool.tryAcquire();
  const waiting = pool.get('nobody');
  const cause = new Error('the disk is full');
  pool.destroy(cause);
  const error = await t.throwsAsync(waiting, { code: 'POOLD_ERR_POOL_CLOSED' });
  t.is(error?.cause, cause);
  t.deepEqual([idle.closed, used.closed, pool.state], [true, true, 'closed']);
  await pool.close();
});

test('await using closes the pool', async (t) => {
  const { pool } = poolOf();
  {
    await using scoped = pool;
    fill(scoped, ['a']);
  }
  t.is(pool.state, 'closed');
});

test('a closed pool leaves no timer', async (t) => {
  const { pool, time } = poolOf({ min: 0 });
  fill(pool, ['a']);
  t.is(time.timers, 1);
  await pool.close();
  t.is(time.timers, 0);
});
