import test from 'ava';
import type { LeakSuspectedEvent } from '../../../src/shared/pool/pool-events.ts';
import { FakeConnection, fill, poolOf } from '../../helpers/fake-connection.ts';

test('a surplus connection that was idle for long is closed, the least recently used first, never below capacity', async (t) => {
  const { pool, time } = poolOf({ min: 2, idleTimeoutMs: 1000 });
  const [oldest, older, newer] = fill(pool, ['oldest', 'older', 'newer']);
  await time.advance(999);
  t.is(pool.idle, 3);
  await time.advance(251);
  t.deepEqual([oldest?.closedFor, older?.closed, newer?.closed], ['idle-timeout', false, false]);
  await time.advance(100_000);
  t.is(pool.idle, 2);
});

test('a sweep spares a connection that a listener takes meanwhile', async (t) => {
  const { pool, time } = poolOf({ min: 0, idleTimeoutMs: 1000, claimTimeoutMs: 1000 });
  const taken: string[] = [];
  const [idle, , claimed, other] = fill(pool, ['idle', 'old', 'claimed', 'other']);
  for (const connection of [claimed, other]) connection?.receive();
  pool.on('connectionClosed', ({ reason }) => {
    const lease = reason === 'unclaimed' ? pool.tryGet('other') : pool.tryGet('old');
    if (lease !== undefined) taken.push(lease.id);
  });
  await time.advance(1250);
  t.deepEqual(taken, ['other', 'old']);
  t.deepEqual([idle?.closedFor, claimed?.closedFor, pool.inUse], ['idle-timeout', 'unclaimed', 2]);
  t.is(pool.errorCount, 1);
});

test('a release never closes a connection for being above capacity', async (t) => {
  const { pool, time } = poolOf({ min: 0, idleTimeoutMs: 1000 });
  fill(pool, ['a', 'b']);
  const leases = [pool.tryAcquire(), pool.tryAcquire()];
  await time.advance(5000);
  for (const lease of leases) t.true(lease?.release());
  t.is(pool.idle, 2);
});

test('a connection past its lifetime is closed while idle, and when it comes back', async (t) => {
  const { pool, time } = poolOf({ min: 2, maxLifetimeMs: 10_000 });
  const [idle, used] = fill(pool, ['idle', 'used']) as [FakeConnection, FakeConnection];
  const lease = pool.tryAcquire();
  await time.advance(12_500);
  t.is(idle.closedFor, 'max-lifetime');
  t.false(used.closed);
  t.false(lease?.release());
  t.is(used.closedFor, 'max-lifetime');
});

test('lifetimes differ by up to 2.5 %, so that connections made together do not end together', (t) => {
  const lifetimes = [0, 0.5, 1].map((random) => {
    const { pool, time } = poolOf({ maxLifetimeMs: 1_000_000, random: () => random, min: 1 });
    fill(pool, ['a']);
    const lease = pool.tryAcquire();
    return { lease, time };
  });
  return Promise.all(
    lifetimes.map(async ({ lease, time }, index) => {
      await time.advance([999_999, 987_499, 974_999][index] ?? 0);
      t.true(lease?.release());
    }),
  );
});

test('zero switches idle timeout and lifetime off', async (t) => {
  const { pool, time } = poolOf({ min: 0, idleTimeoutMs: 0, maxLifetimeMs: 0 });
  fill(pool, ['a']);
  await time.advance(100 * 3_600_000);
  t.is(pool.idle, 1);
});

test('bytes on an idle connection mean that its peer has taken it: acquire passes over it, get hands it out', (t) => {
  const { pool } = poolOf();
  const [plain, taken] = fill(pool, ['plain', 'taken']) as [FakeConnection, FakeConnection];
  taken.receive();
  t.deepEqual([pool.idle, pool.inUse, pool.stats().claimed], [1, 1, 1]);
  t.is(pool.tryAcquire()?.connection, plain);
  t.is(pool.tryAcquire(), undefined);
  t.is(pool.tryGet('taken')?.connection, taken);
  t.is(pool.stats().claimed, 0);
});

test('bytes that came with the connection mean the same, and get may have been waiting for it', async (t) => {
  const { pool } = poolOf();
  const anyone = pool.acquire();
  const wanted = pool.get('early');
  const early = new FakeConnection('early');
  early.unread = true;
  t.true(pool.put('early', early));
  t.is((await wanted).connection, early);
  const second = new FakeConnection('second');
  second.unread = true;
  pool.put('second', second);
  t.is(pool.waiting, 1, 'it is not for those who wait for any');
  fill(pool, ['plain']);
  t.is((await anyone).id, 'plain');
});

test('case 12: a claimed connection that nobody gets is closed and counted', async (t) => {
  const { pool, time } = poolOf({ claimTimeoutMs: 1000, min: 1 });
  const [taken] = fill(pool, ['taken']) as [FakeConnection];
  taken.receive();
  await time.advance(999);
  t.false(taken.closed);
  await time.advance(251);
  t.is(taken.closedFor, 'unclaimed');
  t.is(pool.errorCount, 1);
  pool.resetErrors();
  t.is(pool.errorCount, 0);
});

test('a lease that is out for too long is reported once, with the stack that acquired it', async (t) => {
  const { pool, time } = poolOf({ leakThresholdMs: 1000 });
  const leaks: LeakSuspectedEvent[] = [];
  pool.on('leakSuspected', (leak) => leaks.push(leak));
  fill(pool, ['a', 'b']);
  const lease = pool.tryAcquire();
  pool.tryAcquire()?.release();
  await time.advance(10_000);
  t.is(leaks.length, 1);
  t.is(leaks[0]?.id, lease?.id);
  t.regex(leaks[0]?.stack ?? '', /ageing\.test/);
});
