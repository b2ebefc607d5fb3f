import diagnostics from 'node:diagnostics_channel';
import test from 'ava';
import type { PoolEventMap } from '../../../src/shared/pool/pool-events.ts';
import { FakeConnection, fill, poolOf } from '../../helpers/fake-connection.ts';
import { later } from '../../helpers/later.ts';

const STEPS: readonly (keyof PoolEventMap)[] = [
  'connectionReady',
  'connectionClosed',
  'putRefused',
  'acquired',
  'acquireFailed',
  'released',
  'claimed',
  'cleaned',
  'flushed',
  'poolClosed',
];

test('every step is told, in order, with its numbers, to listeners and to the channel alike', async (t) => {
  const { pool, time } = poolOf({ name: 'told' });
  const heard: [string, object][] = [];
  const published: object[] = [];
  for (const step of STEPS) {
    pool.on(step, (message: object) => heard.push([step, message]));
    diagnostics.subscribe(`poold:pool:${step}`, (message) => {
      if ((message as { pool: string }).pool === 'told') published.push(message as object);
    });
  }
  const [connection] = fill(pool, ['a'], 'g');
  const lease = pool.tryAcquire();
  await time.advance(40);
  lease?.release();
  connection?.receive();
  await t.throwsAsync(pool.acquire({ timeoutMs: 0 }));
  await time.advance(60);
  connection?.close('peer-closed');
  fill(pool, ['b']);
  pool.clean();
  pool.flush();
  await pool.close();
  fill(pool, ['c']);
  t.like(heard, [
    ['connectionReady', { pool: 'told', id: 'a', group: 'g', remote: undefined, connectMs: 0 }],
    ['acquired', { pool: 'told', id: 'a', waitedMs: 0 }],
    ['released', { pool: 'told', id: 'a', usedMs: 40 }],
    ['claimed', { pool: 'told', id: 'a' }],
    ['acquireFailed', { pool: 'told', waitedMs: 0 }],
    ['connectionClosed', { pool: 'told', id: 'a', group: 'g', reason: 'peer-closed', ageMs: 100 }],
    ['connectionReady', { pool: 'told', id: 'b' }],
    ['connectionClosed', { pool: 'told', id: 'b', reason: 'cleaned', ageMs: 0 }],
    ['cleaned', { pool: 'told', closed: 1, generation: 0 }],
    ['flushed', { pool: 'told', closed: 0, generation: 1 }],
    ['poolClosed', { pool: 'told' }],
    ['putRefused', { pool: 'told', id: 'c', reason: 'pool-closed' }],
  ]);
  t.deepEqual(
    published,
    heard.map(([, message]) => message),
  );
});

test('what the pool lacks is told to whoever fills it', (t) => {
  const asked: [number, number][] = [];
  const { pool } = poolOf({ min: 2, onShortage: (missing, waiting) => void asked.push([missing, waiting]) });
  fill(pool, ['a', 'b']);
  t.deepEqual(asked, []);
  pool.tryAcquire();
  t.deepEqual(asked, [[1, 0]]);
  pool.tryAcquire();
  void pool.acquire({ timeoutMs: 10 }).catch(() => {});
  t.deepEqual(asked.at(-1), [2, 1]);
});

test('a listener that throws breaks nothing in the pool', (t) => {
  const { pool } = poolOf();
  pool.on('acquired', () => {
    throw new Error('a bug of the listener');
  });
  fill(pool, ['a']);
  const thrown = later(() => {
    const lease = pool.tryAcquire();
    t.is(lease?.id, 'a');
    t.true(lease?.release());
  });
  t.deepEqual(
    thrown.map((error) => (error as Error).message),
    ['a bug of the listener'],
  );
});

test('the snapshot has all numbers', (t) => {
  const { pool } = poolOf({ name: 'n', min: 1, max: 9 });
  pool.reserve();
  fill(pool, ['a', 'b']);
  pool.tryAcquire();
  pool.addError();
  t.deepEqual(pool.stats(), {
    name: 'n',
    ready: true,
    idle: 1,
    inUse: 1,
    claimed: 0,
    connecting: 1,
    size: 3,
    capacity: 1,
    min: 1,
    max: 9,
    interval: 0,
    waiting: 0,
    generation: 0,
    errorCount: 1,
    created: 2,
    closed: 0,
    acquired: 1,
  });
});

test('options that make no sense are refused by name', (t) => {
  const option = (options: object): string | undefined =>
    t.throws(() => poolOf(options), { code: 'POOLD_ERR_INVALID_OPTION' })?.message.split(':')[0];
  t.is(option({ min: 3, max: 2 }), 'min');
  t.is(option({ max: 0 }), 'max');
  t.is(option({ max: 1.5 }), 'max');
  t.is(option({ capacity: 2000 }), 'capacity');
  t.is(option({ min: 2, capacity: 1 }), 'capacity');
  t.is(option({ maxWaiting: -1 }), 'maxWaiting');
  t.is(option({ idleTimeoutMs: Number.NaN }), 'idleTimeoutMs');
  t.is(option({ maxLifetimeMs: '1h' }), 'maxLifetimeMs');
  t.is(option({ claimTimeoutMs: 2 ** 31 }), 'claimTimeoutMs');
  t.is(option({ onShortage: true }), 'onShortage');
  t.is(option({ clock: 3 }), 'clock');
  t.is(option({ maximum: 3 }), 'maximum');
});

test('a listener may flush or close the pool in the middle of a step', (t) => {
  for (const step of ['connectionReady', 'released'] as const) {
    for (const end of ['flush', 'destroy'] as const) {
      const { pool } = poolOf();
      const connections = fill(pool, ['a']);
      const lease = pool.tryAcquire();
      pool.once(step, () => pool[end]());
      t.false(step === 'released' ? lease?.release() : pool.put('b', new FakeConnection('b')));
      t.deepEqual([pool.idle, pool.inUse, pool.size], [0, 0, 0], `${end} at ${step}`);
      t.true(connections[0]?.closed);
    }
  }
});

test('a listener may put back, or take, the very connection that it hears of', (t) => {
  for (const step of ['connectionReady', 'released'] as const) {
    for (const take of [false, true]) {
      const { pool } = poolOf();
      const connection = new FakeConnection('a');
      const listen = (): unknown => pool.once(step, () => void (pool.put('a', connection) && take && pool.tryGet('a')));
      if (step === 'connectionReady') listen();
      t.true(pool.put('a', connection));
      const lease = step === 'released' ? pool.tryGet('a') : undefined;
      if (step === 'released') listen();
      if (lease !== undefined) t.true(lease.release());
      t.deepEqual([pool.idle, pool.inUse], take ? [0, 1] : [1, 0], `${step}, ${take}`);
      t.is(pool.tryAcquire()?.id, take ? undefined : 'a');
    }
  }
});

test('a connection is judged again when a listener has heard of it', (t) => {
  const ends = { flush: 'stale', close: 'pool-closed', peer: 'draining' } as const;
  for (const step of ['connectionReady', 'released'] as const) {
    for (const [end, reason] of Object.entries(ends)) {
      const { pool } = poolOf();
      const reasons: string[] = [];
      pool.on('putRefused', (refused) => reasons.push(refused.reason));
      const connection = new FakeConnection('a');
      const listen = (): unknown =>
        pool.once(step, () => {
          if (end === 'flush') pool.flush({ graceful: true });
          else if (end === 'close') void pool.close();
          else connection.state = 'draining';
        });
      if (step === 'connectionReady') listen();
      const kept = pool.put('a', connection);
      const lease = pool.tryAcquire();
      if (step === 'released') listen();
      t.false(lease === undefined ? kept : lease.release());
      t.deepEqual([reasons, connection.closedFor, pool.size], [[reason], reason, 0], `${end} at ${step}`);
    }
  }
});

test('whoever is told what the pool lacks may throw, and who waits is served all the same', async (t) => {
  const { pool } = poolOf({
    min: 1,
    onShortage: () => {
      throw new Error('a bug of the dialler');
    },
  });
  const waiting: Promise<unknown>[] = [];
  const thrown = later(() => {
    waiting.push(pool.acquire());
    fill(pool, ['a', 'b']);
    t.truthy(pool.tryAcquire());
  });
  t.is(thrown.length, 3);
  t.is((thrown[0] as Error).message, 'a bug of the dialler');
  await Promise.all(waiting);
  t.is(pool.inUse, 2);
});
