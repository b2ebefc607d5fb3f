import test from 'ava';
import { groupOf, type FakeGroup, type FakePool } from '../../helpers/fake-group.ts';
import { FakeConnection } from '../../helpers/fake-connection.ts';

/** Checks each 1000 ms exactly, the first after 500, and what they tell. */
const EACH_SECOND = { intervalMs: 1000, timeoutMs: 100 };

function hear(group: FakeGroup): string[] {
  const heard: string[] = [];
  group.on('nodeUnhealthy', ({ node, error }) => heard.push(`${node} unhealthy: ${(error as Error).message}`));
  group.on('nodeHealthy', ({ node }) => heard.push(`${node} healthy`));
  return heard;
}

test('two failed checks in a row make a node unhealthy, one that passes makes it healthy', async (t) => {
  const results = [true, false, true, false, false, false, true];
  const check = (): void => {
    if (results.shift() !== true) throw new Error('not well');
  };
  const { group, time } = groupOf({ nodes: { a: 1, b: 1 }, healthCheck: { ...EACH_SECOND, check } });
  void group.removeNode('b');
  const heard = hear(group);
  await group.start();
  await time.advance(4499);
  t.deepEqual([heard, group.nodes[0]?.healthy], [[], true]);
  await time.advance(1);
  t.deepEqual([heard, group.nodes[0]?.healthy], [['a unhealthy: not well'], false]);
  t.is(group.nodes[0]?.lastError, 'not well');
  await time.advance(2000);
  t.deepEqual(heard, ['a unhealthy: not well', 'a healthy']);
  group.destroy();
});

test('rise and fall are options', async (t) => {
  const results = [false, true, true];
  const check = (): Promise<void> => (results.shift() === true ? Promise.resolve() : Promise.reject(new Error('no')));
  const { group, time } = groupOf({ nodes: { a: 1 }, healthCheck: { ...EACH_SECOND, rise: 2, fall: 1, check } });
  const heard = hear(group);
  await group.start();
  await time.advance(1500);
  t.deepEqual(heard, ['a unhealthy: no']);
  await time.advance(1000);
  t.deepEqual(heard, ['a unhealthy: no', 'a healthy']);
  group.destroy();
});

test('an unhealthy node is passed over, and serves when no other has anything idle', async (t) => {
  const check = ({ name }: FakePool): void => {
    if (name === 'a') throw new Error('not well');
  };
  const { group, time } = groupOf({ nodes: { a: 9, b: 1 }, healthCheck: { ...EACH_SECOND, check } });
  await group.start();
  await time.advance(1500);
  t.deepEqual([group.tryGetAny()?.id, group.tryGetAny()?.id], ['b1', 'a9']);
  t.is(group.stats().healthy, 1);
  void group.removeNode('b');
  t.is(group.tryGetAny()?.id, 'a8');
  group.destroy();
});

test('a node that is unhealthy can be checked out of turn', async (t) => {
  const checked: string[] = [];
  let well = false;
  const check = ({ name }: FakePool): void => {
    checked.push(name);
    if (!well && name === 'a') throw new Error('not well');
  };
  const { group, time } = groupOf({ nodes: { a: 0, b: 0 }, healthCheck: { ...EACH_SECOND, check } });
  const heard = hear(group);
  await group.start();
  await time.advance(1500);
  t.deepEqual([heard, group.fit], [['a unhealthy: not well'], 1]);
  const { length } = checked;
  group.recheck('b');
  group.recheck('nobody');
  await time.advance(0);
  t.is(checked.length, length, 'b is well');
  well = true;
  group.recheck('a');
  await time.advance(0);
  t.deepEqual([heard.at(-1), group.fit], ['a healthy', 2]);
  group.destroy();
});

/** Fills the pool when the check waits. */
function fillOnDemand(pool: FakePool): void {
  const acquire = pool.acquire.bind(pool);
  pool.acquire = (options) => {
    queueMicrotask(() => pool.fill());
    return acquire(options);
  };
}

const defaults: [what: string, prepare: (pool: FakePool) => void, healthy: boolean][] = [
  ['with something idle', (pool) => void pool.fill(), true],
  ['with everything in use', (pool) => void (pool.fill(), pool.tryAcquire()), true],
  [
    'with idle ones that only the other side opens on',
    (pool) => void pool.put('p', new FakeConnection('p'), { passive: true }),
    true,
  ],
  ['whose connections are dialled when somebody waits', fillOnDemand, true],
  ['that gets some that only the other side opens on', passiveOnDemand, true],
  ['that has none, and gets none', () => undefined, false],
];

function passiveOnDemand(pool: FakePool): void {
  const acquire = pool.acquire.bind(pool);
  pool.acquire = (options) => {
    queueMicrotask(() => pool.put('p', new FakeConnection('p'), { passive: true }));
    return acquire(options);
  };
}

for (const [what, prepare, expected] of defaults) {
  test(`by default a node ${what} is ${expected ? 'healthy' : 'unhealthy'}`, async (t) => {
    const { group, pool, time } = groupOf({ nodes: { a: 0 }, healthCheck: { ...EACH_SECOND, fall: 1 } });
    prepare(pool('a'));
    await group.start();
    await time.advance(600);
    t.deepEqual([group.nodes[0]?.healthy, pool('a').waiting], [expected, 0]);
    group.destroy();
  });
}

test('the default check gives its connection back, and says what it waited for in vain', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0 }, healthCheck: { ...EACH_SECOND, fall: 1 } });
  const heard = hear(group);
  await group.start();
  await time.advance(600);
  t.regex(heard.join(), /^a unhealthy: no idle connection after 90 ms: 0 idle, 0 in use, 0 being dialled/);
  await time.advance(950);
  t.is(pool('a').waiting, 1);
  pool('a').fill();
  await time.advance(0);
  t.deepEqual([heard.at(-1), pool('a').idle, pool('a').inUse], ['a healthy', 1, 0]);
  group.destroy();
});

test('a check that does not end in time is aborted and has failed; another does not start before it ends', async (t) => {
  let running = 0;
  let started = 0;
  let end = (): void => undefined;
  const aborts: unknown[] = [];
  const check = (_: FakePool, signal: AbortSignal): Promise<void> => {
    started += 1;
    running += 1;
    signal.addEventListener('abort', () => aborts.push(signal.reason));
    return new Promise((resolve) => {
      end = () => {
        running -= 1;
        resolve();
      };
    });
  };
  const { group, time } = groupOf({ nodes: { a: 1 }, healthCheck: { ...EACH_SECOND, check } });
  const heard = hear(group);
  await group.start();
  await time.advance(600);
  t.is((aborts[0] as { code?: string }).code, 'POOLD_ERR_HEALTH_CHECK_TIMEOUT');
  t.deepEqual(heard, []);
  await time.advance(5000);
  t.deepEqual([started, running, heard.length], [1, 1, 1], 'it is unhealthy from the next round on');
  end();
  await time.advance(950);
  t.deepEqual([started, group.nodes[0]?.healthy], [2, false], 'the end came too late to be a pass');
  end();
  await time.advance(0);
  t.true(group.nodes[0]?.healthy);
  group.destroy();
});

test('the first checks of many nodes are spread over an interval, and their rhythm wavers', async (t) => {
  const draws = [0.1, 0.6, 0.9, 0, 1];
  const checkedAt: string[] = [];
  const nodes = { a: 1, b: 1, c: 1 };
  const made = groupOf({
    nodes,
    random: () => draws.shift() ?? 0.5,
    healthCheck: {
      ...EACH_SECOND,
      check: ({ name }) => void checkedAt.push(`${name} ${made.time.clock.now()}`),
    },
  });
  await made.group.start();
  await made.time.advance(2000);
  t.deepEqual(checkedAt, ['a 100', 'b 600', 'c 900', 'a 1000', 'b 1700', 'c 1900', 'a 2000']);
  made.group.destroy();
});

test('a node that leaves is not checked any more, and a check under way is aborted, whatever it makes of it', async (t) => {
  const signals: AbortSignal[] = [];
  const check = (_: FakePool, signal: AbortSignal): Promise<void> => {
    signals.push(signal);
    return new Promise(() => undefined);
  };
  const { group, time } = groupOf({ nodes: { a: 1 }, healthCheck: { ...EACH_SECOND, fall: 1, check } });
  const heard = hear(group);
  await group.start();
  await time.advance(500);
  await group.removeNode('a');
  t.true(signals[0]?.aborted);
  await time.advance(10_000);
  t.deepEqual([signals.length, heard, time.timers], [1, [], 0]);
});

test('a node that comes later is checked too; before the start nobody is', async (t) => {
  const checked: string[] = [];
  const check = ({ name }: FakePool): void => void checked.push(name);
  const { group, time } = groupOf({ nodes: { a: 1 }, healthCheck: { ...EACH_SECOND, check } });
  await time.advance(5000);
  t.deepEqual(checked, []);
  await group.start();
  group.addNode({ name: 'b' });
  await time.advance(500);
  t.deepEqual(checked, ['a', 'b']);
  group.destroy();
});
