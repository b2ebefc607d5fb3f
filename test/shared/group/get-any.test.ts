import test from 'ava';
import type { Lease } from '../../../src/shared/pool/lease.ts';
import { FakeConnection } from '../../helpers/fake-connection.ts';
import { type FakeGroup, type FakePool, groupOf } from '../../helpers/fake-group.ts';

/** Leaves the breaker open: five failures in a row. */
function trip({ breaker }: FakePool): void {
  for (let failure = 0; failure < 5; failure += 1) breaker.failed();
}

/** Who serves so many gets in a row, none of them given back. */
const served = (group: FakeGroup, gets: number): string =>
  Array.from({ length: gets }, () => group.tryGetAny()?.id[0] ?? '-').join('');

test('a get takes something idle from each node in turn, and nothing when nothing is idle', (t) => {
  const { group } = groupOf({ nodes: { a: 2, b: 0, c: 3 } });
  t.is(served(group, 6), 'acacc-');
  t.deepEqual([group.idle, group.inUse], [0, 5]);
});

test('the strategy chooses', (t) => {
  const { group } = groupOf({ nodes: { a: 2, b: 2 }, strategy: 'failover' });
  t.is(served(group, 4), 'aabb');
});

test('one node can be left out', (t) => {
  const { group } = groupOf({ nodes: { a: 2, b: 1 } });
  t.is(group.tryGetAny({ not: 'a' })?.id, 'b1');
  t.is(group.tryGetAny({ not: 'a' }), undefined);
  t.is(group.tryGetAny({ not: 'nobody' })?.id, 'a2');
});

test('a lease knows its node through the group', (t) => {
  const { group } = groupOf({ nodes: { a: 1 } });
  const lease = group.tryGetAny() as Lease<FakeConnection>;
  t.is(group.nodeOf(lease), 'a');
  t.is(groupOf({ nodes: { a: 1 } }).group.nodeOf(lease), undefined);
  lease.release();
  t.is(group.nodeOf(lease), 'a');
});

test('idle connections that only the other side opens on are passed over', (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 1 }, strategy: 'failover' });
  pool('a').put('passive', new FakeConnection('passive'), { passive: true });
  t.deepEqual([pool('a').idle, served(group, 2)], [1, 'b-']);
});

test('a node whose breaker is open is passed over, and serves before anybody has to wait', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 5, b: 2, c: 0 }, strategy: 'failover' });
  trip(pool('a'));
  t.is(served(group, 3), 'bba');
  trip(pool('b'));
  trip(pool('c'));
  t.is(served(group, 1), 'a', 'nobody is fit');
  await time.advance(5000);
  t.is(served(group, 2), 'aa', 'half-open');
  t.is((await group.getAny()).id, 'a1');
});

test('connections that only the other side opens on keep nobody from a node that is not fit', (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 1 } });
  pool('a').put('passive', new FakeConnection('passive'), { passive: true });
  trip(pool('b'));
  t.is(served(group, 2), 'b-');
});

test('a get that finds something idle sets no timer', async (t) => {
  const { group, time } = groupOf({ nodes: { a: 1 }, pool: { idleTimeoutMs: 0, maxLifetimeMs: 0 } });
  const before = time.timers;
  t.is((await group.getAny()).id, 'a1');
  t.is(time.timers, before);
});

test('a get waits at all nodes; the first grant wins and the others are withdrawn', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0, c: 0 } });
  const waiting = group.getAny();
  const waiters = () => ['a', 'b', 'c'].map((name) => pool(name).waiting);
  t.deepEqual([waiters(), group.waiting], [[1, 1, 1], 1]);
  pool('b').fill();
  t.is((await waiting).id, 'b1');
  t.deepEqual([waiters(), group.waiting], [[0, 0, 0], 0]);
  pool('a').fill();
  t.is(pool('a').idle, 1);
});

test('a wait that is withdrawn because another node was quicker is no failure that anybody hears of', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0 } });
  const failed: unknown[] = [];
  for (const name of ['a', 'b']) pool(name).on('acquireFailed', ({ error }) => failed.push(error));
  const waiting = group.getAny();
  pool('b').fill();
  t.is((await waiting).id, 'b1');
  const abort = new AbortController();
  const left = t.throwsAsync(group.getAny({ signal: abort.signal }));
  abort.abort(new Error('left'));
  await left;
  await t.throwsAsync(pool('a').acquire({ timeoutMs: 0 }));
  t.deepEqual(failed.map(String), [String(failed[0])]);
  t.regex(String(failed[0]), /^AcquireTimeoutError/);
});

test('two grants in the same moment: one is kept, the other goes back', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0, b: 0 } });
  const waiting = group.getAny();
  pool('b').fill();
  pool('a').fill();
  const lease = await waiting;
  await time.advance(0);
  t.deepEqual([group.idle, group.inUse, lease.held], [1, 1, true]);
});

test('a connection that is lost between its grant and now is not handed out; the wait goes on', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0 } });
  const waiting = group.getAny();
  const [first] = pool('a').fill();
  first?.close('peer-closed');
  await time.advance(0);
  pool('a').fill();
  t.is((await waiting).id, 'a2');
  t.deepEqual([group.inUse, pool('a').waiting], [1, 0]);
});

test('a lease of a node that is removed in the moment of its grant goes back; the wait goes on', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0 } });
  const waiting = group.getAny();
  const [late] = pool('a').fill();
  await group.removeNode('a');
  t.true(late?.closed);
  pool('b').fill();
  t.is((await waiting).id, 'b1');
});

test('those who wait at one node are served in order', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0 } });
  const order: number[] = [];
  const waits = [1, 2, 3].map((index) => group.getAny().then(() => order.push(index)));
  pool('b').fill(3);
  await Promise.all(waits);
  t.deepEqual(order, [1, 2, 3]);
});

test('a get that is served by nobody in time says what the group looks like', async (t) => {
  const { group, time, pool } = groupOf({ nodes: { a: 1, b: 0 } });
  group.tryGetAny();
  const failed = t.throwsAsync(group.getAny({ timeoutMs: 300 }), {
    code: 'POOLD_ERR_ACQUIRE_TIMEOUT',
    message: /^no idle connection at any of 2 nodes of group after 300 ms: 0 idle, 1 in use/,
  });
  await time.advance(300);
  await failed;
  t.deepEqual([group.waiting, pool('a').waiting, pool('b').waiting], [0, 0, 0]);
});

test('no more than maxWaiting wait; one who leaves makes room', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0 }, maxWaiting: 2 });
  const abort = new AbortController();
  const leaving = t.throwsAsync(group.getAny({ signal: abort.signal }), { message: 'left' });
  const waiting = group.getAny();
  const full = { code: 'POOLD_ERR_QUEUE_FULL', message: /maxWaiting 2.*0 idle, 0 in use, 0 being dialled, 2 waiting/ };
  await t.throwsAsync(group.getAny(), full);
  abort.abort(new Error('left'));
  await leaving;
  const next = group.getAny();
  pool('a').fill(2);
  t.deepEqual(
    (await Promise.all([waiting, next])).map(({ id }) => id),
    ['a1', 'a2'],
  );
});

test('timeout 0 is now or never; without one the group decides', async (t) => {
  const { group, time } = groupOf({ nodes: { a: 0 }, acquireTimeoutMs: 50 });
  await t.throwsAsync(group.getAny({ timeoutMs: 0 }), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  const failed = t.throwsAsync(group.getAny(), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
  await time.advance(50);
  await failed;
});

test('an abort ends the wait everywhere with its reason', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0 } });
  const abort = new AbortController();
  const failed = t.throwsAsync(group.getAny({ signal: abort.signal }), { message: 'changed my mind' });
  abort.abort(new Error('changed my mind'));
  await failed;
  t.deepEqual([group.waiting, pool('a').waiting, pool('b').waiting], [0, 0, 0]);
  await t.throwsAsync(group.getAny({ signal: abort.signal }), { message: 'changed my mind' });
});

test('a lease that is granted in the moment of an abort goes back', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0 } });
  const abort = new AbortController();
  const waiting = group.getAny({ signal: abort.signal });
  pool('a').fill();
  abort.abort(new Error('too late'));
  await t.throwsAsync(waiting, { message: 'too late' });
  await time.advance(0);
  t.deepEqual([group.idle, group.inUse], [1, 0]);
});

test('without nodes a get waits for one to join, and says in the end that there was none', async (t) => {
  const { group, time, pool } = groupOf();
  t.is(group.tryGetAny(), undefined);
  const none = { code: 'POOLD_ERR_NO_NODE', message: /^group group has no nodes; add one/ };
  await t.throwsAsync(group.getAny({ timeoutMs: 0 }), none);
  const failed = t.throwsAsync(group.getAny({ timeoutMs: 100 }), none);
  const waiting = group.getAny();
  await time.advance(100);
  await failed;
  group.addNode({ name: 'a' });
  pool('a').fill();
  t.is((await waiting).id, 'a1');
  t.is(group.waiting, 0);
});

test('a node that joins is waited at too, also when the last one has left', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0 } });
  const waiting = group.getAny({ timeoutMs: 5000 });
  const unlucky = group.getAny({ timeoutMs: 100 });
  await group.removeNode('a');
  const failed = t.throwsAsync(unlucky, { code: 'POOLD_ERR_NO_NODE' });
  await time.advance(100);
  await failed;
  group.addNode({ name: 'b' });
  t.is(pool('b').waiting, 1);
  pool('b').fill();
  t.is((await waiting).id, 'b1');
});

test('only nodes that are fit are waited at, and one that becomes fit again is too', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0, b: 0 } });
  trip(pool('a'));
  const waiting = group.getAny({ timeoutMs: 60_000 });
  t.deepEqual([pool('a').waiting, pool('b').waiting], [0, 1]);
  await time.advance(5000);
  t.deepEqual([pool('a').waiting, pool('b').waiting], [1, 1]);
  pool('a').fill();
  t.is((await waiting).id, 'a1');
});

test('when the last fit node fails, the others are waited at all the same', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0, b: 0 } });
  trip(pool('a'));
  const waiting = group.getAny();
  trip(pool('b'));
  t.is(pool('a').waiting, 1);
  pool('a').fill();
  t.is((await waiting).id, 'a1');
});

test('a node that refuses is left, and its others go on; when all refuse, the last reason is the result', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0, b: 0 } });
  const waiting = group.getAny();
  const failed = t.throwsAsync(waiting, { code: 'POOLD_ERR_POOL_CLOSED', message: /pool b/ });
  pool('a').destroy();
  await time.advance(0);
  t.is(group.waiting, 1);
  pool('b').destroy();
  await failed;
  t.deepEqual(
    group.nodes.map(({ failures, lastError }) => [failures, lastError?.slice(0, 16)]),
    [
      [1, 'pool a is closed'],
      [1, 'pool b is closed'],
    ],
  );
});

test('when the fit ones refuse, the unfit ones are asked', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0, b: 0 } });
  trip(pool('a'));
  const waiting = group.getAny();
  pool('b').destroy();
  await time.advance(0);
  t.is(pool('a').waiting, 1);
  pool('a').fill();
  t.is((await waiting).id, 'a1');
});

test('many nodes make no warning', async (t) => {
  const nodes = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`n${index}`, 0]));
  const { group, pool } = groupOf({ nodes });
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on('warning', listener);
  const waiting = group.getAny();
  pool('n39').fill();
  t.is((await waiting).id, 'n391');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listener);
  t.deepEqual(warnings, []);
});
