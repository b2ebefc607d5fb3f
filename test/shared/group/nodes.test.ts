import test from 'ava';
import { ClientPool } from '../../../src/client/client-pool.ts';
import { ServerPool } from '../../../src/server/server-pool.ts';
import type { NodeEvent } from '../../../src/shared/group/group-events.ts';
import { PoolGroup } from '../../../src/shared/group/pool-group.ts';
import { ConnectionPool } from '../../../src/shared/pool/connection-pool.ts';
import type { Lease } from '../../../src/shared/pool/lease.ts';
import type { Session } from '../../../src/shared/session/session.ts';
import { nextEvent, until } from '../../helpers/events.ts';
import type { FakeConnection } from '../../helpers/fake-connection.ts';
import { type FakeGroup, type FakePool, groupOf } from '../../helpers/fake-group.ts';

const address = (port: number) => ({ host: '10.0.0.1', port });

const states = (group: FakeGroup): string => group.nodes.map(({ name, state }) => `${name} ${state}`).join(', ');

/** The names of the events that are told from now on, with their nodes. */
function hear(group: FakeGroup): string[] {
  const heard: string[] = [];
  for (const event of ['nodeAdded', 'nodeRemoved', 'nodeUnhealthy', 'nodeHealthy', 'breakerChanged'] as const) {
    group.on(event, ({ node }: NodeEvent) => heard.push(`${event} ${node}`));
  }
  return heard;
}

test('an added node serves at once', (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0 } });
  const heard = hear(group);
  group.addNode({ name: 'b', address: address(1) });
  pool('b').fill();
  t.is(group.tryGetAny()?.id, 'b1');
  t.deepEqual(heard, ['nodeAdded b']);
  t.deepEqual(group.nodes[1], {
    name: 'b',
    address: address(1),
    state: 'ready',
    healthy: true,
    breaker: 'closed',
    idle: 0,
    inUse: 1,
    size: 1,
    acquired: 1,
    failures: 0,
    lastError: undefined,
  });
});

test('a removed node hands out nothing, waits for its leases, and is gone', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 2 } });
  const heard = hear(group);
  const lease = group.tryGetAny();
  let gone = false;
  const removing = group.removeNode('a').then(() => (gone = true));
  t.is(states(group), 'a draining');
  t.is(group.tryGetAny(), undefined);
  t.deepEqual([pool('a').idle, group.inUse, group.stats().draining], [0, 1, 1]);
  await new Promise((resolve) => setImmediate(resolve));
  t.false(gone);
  lease?.release();
  await removing;
  t.deepEqual([states(group), group.inUse, lease?.connection.closed], ['', 0, true]);
  t.deepEqual(heard, ['nodeRemoved a']);
});

test('leases that do not come back are destroyed when the grace is over', async (t) => {
  const { group, time } = groupOf({ nodes: { a: 1, b: 1 }, drainMs: 700, strategy: 'failover' });
  const leases = [group.tryGetAny(), group.tryGetAny()];
  const told: number[] = [];
  group.on('nodeRemoved', ({ drainedMs }) => told.push(drainedMs));
  const removing = [group.removeNode('a'), group.removeNode('b', { graceMs: 50 })];
  await time.advance(50);
  t.deepEqual(
    leases.map((lease) => lease?.connection.closed),
    [false, true],
  );
  await time.advance(650);
  await Promise.all(removing);
  t.deepEqual(told, [50, 700]);
});

test('leases of a removed node may have all the time they want, unless the group closes', async (t) => {
  const unaged = { idleTimeoutMs: 0, maxLifetimeMs: 0, claimTimeoutMs: 1e9 };
  const { group, time } = groupOf({ nodes: { a: 1, b: 1 }, drainMs: Infinity, pool: unaged });
  const leases = [group.tryGetAny(), group.tryGetAny()];
  group.updateNodes([]);
  await time.advance(100 * 24 * 3600 * 1000);
  t.is(states(group), 'a draining, b draining');
  leases[0]?.release();
  await time.advance(0);
  t.is(states(group), 'b draining');
  void group.close({ graceMs: 50 });
  await time.advance(50);
  t.deepEqual([states(group), leases[1]?.connection.closed], ['', true]);
});

test('the name of a draining node is free: a new node of that name is another one', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 1 } });
  const lease = group.tryGetAny() as Lease<FakeConnection>;
  const old = pool('a');
  const removing = group.removeNode('a');
  group.addNode({ name: 'a' });
  t.is(states(group), 'a ready, a draining');
  const [fresh] = pool('a').fill();
  t.is(group.tryGetAny()?.connection, fresh);
  t.not(pool('a'), old);
  lease.release();
  await removing;
  t.is(states(group), 'a ready');
});

test('removing a node that is not there resolves at once', async (t) => {
  const { group } = groupOf({ nodes: { a: 0 } });
  await group.removeNode('b');
  t.is(states(group), 'a ready');
});

test('a name that is taken is refused, and so is what is not a node', (t) => {
  const { group } = groupOf({ nodes: { a: 0 } });
  t.throws(() => group.addNode({ name: 'a' }), { code: 'POOLD_ERR_INVALID_OPTION', message: /"a" already/ });
  t.throws(() => group.addNode({ name: '' }), { message: /^nodes\.0\.name: wants a name/ });
  t.throws(() => group.updateNodes([{ name: 'b' }, { name: 'b' }]), { message: /^nodes: "b" is there twice/ });
  t.is(states(group), 'a ready');
});

test('an update touches only the difference, and takes over the order', async (t) => {
  const pools: FakePool[] = [];
  const { group, pool } = groupOf({ nodes: { a: 0, b: 1 }, strategy: 'failover', made: (one) => pools.push(one) });
  const kept = pool('b');
  const lease = kept.tryAcquire();
  const changes = group.updateNodes([{ name: 'c' }, { name: 'b' }]);
  t.deepEqual(changes, { added: ['c'], removed: ['a'], kept: ['b'] });
  t.is(pool('b'), kept);
  t.true(lease?.held);
  t.is(states(group), 'c ready, b ready, a draining');
  lease?.release();
  pool('c').fill();
  t.is(group.tryGetAny()?.id, 'c1');
  await until(() => group.nodes.length === 2, 'a is gone');
  t.deepEqual(group.updateNodes([{ name: 'c' }, { name: 'b' }]), { added: [], removed: [], kept: ['c', 'b'] });
  t.is(pools.length, 3);
});

test('a node with another address is another node', (t) => {
  const { group } = groupOf({ nodes: {} });
  group.updateNodes([
    { name: 'a', address: address(1) },
    { name: 'b', address: address(2) },
  ]);
  const changes = group.updateNodes([
    { name: 'a', address: address(1) },
    { name: 'b', address: address(3) },
  ]);
  t.deepEqual(changes, { added: ['b'], removed: ['b'], kept: ['a'] });
});

test('who waits is served by a node of the update, though all others leave', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0 } });
  const waiting = group.getAny();
  group.updateNodes([{ name: 'b' }]);
  pool('b').fill();
  t.is((await waiting).id, 'b1');
});

test('when one of several new nodes cannot be made, nothing changes', (t) => {
  const made: FakePool[] = [];
  const { group } = groupOf({
    nodes: { a: 1 },
    made: (pool) => {
      made.push(pool);
      if (pool.name === 'bad') throw new Error('no such thing');
    },
  });
  t.throws(() => group.updateNodes([{ name: 'b' }, { name: 'bad' }]), { message: 'no such thing' });
  t.is(states(group), 'a ready');
  t.is(made.find(({ name }) => name === 'b')?.state, 'closed');
});

test('start starts each pool once, also those that come later', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0 } });
  group.addNode({ name: 'b' });
  t.is(pool('b').starts, 0);
  await Promise.all([group.start(), group.start()]);
  group.addNode({ name: 'c' });
  t.deepEqual(
    ['a', 'b', 'c'].map((name) => pool(name).starts),
    [1, 1, 1],
  );
});

test('a pool that cannot be started fails the start; one that comes later is unhealthy', async (t) => {
  const problem = new Error('no such key');
  const { group, pool } = groupOf({ nodes: { a: 1 }, made: (one) => (one.startError = problem) });
  await t.throwsAsync(group.start(), { is: problem });
  const told = nextEvent<{ node: string; error: unknown }>(group, 'nodeUnhealthy');
  group.addNode({ name: 'b' });
  pool('b').fill();
  const { node, error } = await told;
  t.deepEqual([node, error], ['b', problem]);
  t.deepEqual(
    group.nodes.map(({ healthy, failures, lastError }) => [healthy, failures, lastError]),
    [
      [false, 1, 'no such key'],
      [false, 1, 'no such key'],
    ],
  );
  t.is(group.tryGetAny()?.id, 'a1', 'nobody else is there');
});

test('close refuses, drains all within one grace, and shortens that of who drains already', async (t) => {
  const { group, time, pool } = groupOf({ nodes: { a: 1, b: 1, c: 0 }, strategy: 'failover', drainMs: 60_000 });
  const leases = [group.tryGetAny(), group.tryGetAny()];
  const removing = group.removeNode('a');
  const waiting = t.throwsAsync(group.getAny(), { code: 'POOLD_ERR_POOL_CLOSED' });
  const closing = group.close({ graceMs: 100 });
  t.is(group.close(), closing);
  t.false(group.ready);
  t.is(group.tryGetAny(), undefined);
  t.throws(() => group.addNode({ name: 'd' }), { code: 'POOLD_ERR_POOL_CLOSED' });
  t.throws(() => group.updateNodes([{ name: 'd' }]), { code: 'POOLD_ERR_POOL_CLOSED' });
  await t.throwsAsync(group.getAny(), { code: 'POOLD_ERR_POOL_CLOSED' });
  await waiting;
  t.is(pool('c').state, 'closed');
  leases[1]?.release();
  await time.advance(100);
  await Promise.all([closing, removing]);
  t.true(leases[0]?.connection.closed);
  t.deepEqual([group.nodes, time.timers], [[], 0]);
});

test('destroy closes everything at once, says why, and ends drains', async (t) => {
  const { group, time } = groupOf({ nodes: { a: 1, b: 1 } });
  const leases = [group.tryGetAny(), group.tryGetAny()];
  const removing = group.removeNode('a');
  const reason = new Error('the house burns');
  const waiting = group.getAny().catch((error: Error) => error.cause);
  group.destroy(reason);
  t.is(await waiting, reason);
  t.deepEqual(
    leases.map((lease) => lease?.connection.closed),
    [true, true],
  );
  await Promise.all([removing, group.close()]);
  t.deepEqual([group.nodes, time.timers], [[], 0]);
});

test('await using closes', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 1 } });
  {
    await using closing = group;
    t.true(closing.ready);
  }
  t.is(pool('a').state, 'closed');
});

test('a pool whose close fails is destroyed, and its node is gone all the same', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 1 } });
  const lease = group.tryGetAny();
  pool('a').close = () => Promise.reject(new Error('cannot'));
  await group.removeNode('a');
  t.true(lease?.connection.closed);
});

test('the numbers of the group are the sums of its nodes', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 2, b: 2, c: 0 } });
  const lease = group.tryGetAny();
  const other = group.tryGetAny({ not: 'a' });
  void group.removeNode('b');
  const room = pool('c').reserve();
  t.deepEqual(group.stats(), {
    name: 'group',
    ready: true,
    nodes: 2,
    healthy: 2,
    draining: 1,
    idle: 1,
    inUse: 2,
    connecting: 1,
    waiting: 0,
    acquired: 2,
  });
  room?.cancel();
  lease?.release();
  other?.release();
  await until(() => group.stats().draining === 0, 'b is gone');
  t.is(group.stats().acquired, 2, 'who has gone still counts');
});

test("a node's breaker tells its changes while the node is there", async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0, b: 0 }, breaker: { failures: 1 } });
  const heard = hear(group);
  pool('a').breaker.failed();
  t.deepEqual(
    group.nodes.map(({ breaker }) => breaker),
    ['open', 'closed'],
  );
  await group.removeNode('b');
  pool('b').breaker.failed();
  await time.advance(5000);
  t.deepEqual(heard, ['breakerChanged a', 'nodeRemoved b', 'breakerChanged a']);
});

test('a listener may change the nodes in the middle of a change', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 0 } });
  await group.start();
  group.on('nodeAdded', ({ node }) => {
    if (node === 'b') void group.removeNode('b');
  });
  group.updateNodes([{ name: 'b' }, { name: 'c' }]);
  t.is(states(group), 'c ready, a draining, b draining');
  await until(() => group.nodes.length === 1, 'a and b are gone');
  t.is(pool('b').state, 'closed');
});

test('options that cannot be used are named', (t) => {
  const make = (options: object) => () => groupOf(options);
  const code = 'POOLD_ERR_INVALID_OPTION';
  t.throws(make({ strategy: 'best' }), { code, message: /^strategy: wants one of round-robin, least-in-use/ });
  t.throws(make({ healthCheck: { intervalMs: 0 } }), { code, message: /^healthCheck\.intervalMs/ });
  t.throws(make({ drainMs: -1 }), { code, message: /^drainMs: wants a duration in ms/ });
  t.throws(make({ breaker: { failures: 0 } }), { code, message: /^breaker\.failures/ });
  t.throws(make({ retry: { tries: 0 } }), { code, message: /^retry\.tries/ });
  t.throws(make({ healtCheck: false }), { code, message: /^healtCheck: unknown option/ });
  t.throws(() => new PoolGroup({ create: 7 as never }), { code, message: /^create: wants a function/ });
});

test('the pools of both ends, and the core, fit into a group as they are', async (t) => {
  const client = new PoolGroup({ create: () => new ClientPool({ dial: '127.0.0.1:1' }) });
  const server = new PoolGroup({ create: () => new ServerPool({ listen: '127.0.0.1:0' }) });
  const core = new PoolGroup({ create: () => new ConnectionPool<FakeConnection>() });
  const session: Lease<Session> | undefined = client.tryGetAny() ?? server.tryGetAny();
  const fake: Lease<FakeConnection> | undefined = core.tryGetAny();
  t.deepEqual([session, fake], [undefined, undefined]);
  await Promise.all([client.close(), server.close(), core.close()]);
});
