import test from 'ava';
import type { ExecuteContext, ExecuteOptions } from '../../../src/shared/group/execute.ts';
import type { FakeConnection } from '../../helpers/fake-connection.ts';
import { type FakeGroup, type FakeGroupOptions, groupOf } from '../../helpers/fake-group.ts';

const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });

/** Work that fails on the nodes of these names, and where it has run. */
function workOver(options: FakeGroupOptions, failing: readonly string[], error: () => Error = reset) {
  const made = groupOf(options);
  const ran: string[] = [];
  const work = ({ id }: FakeConnection, { node }: ExecuteContext<FakeConnection>): string => {
    ran.push(node);
    if (failing.includes(node)) throw error();
    return id;
  };
  /** Runs it, the time of all pauses included. */
  const run = async (given?: ExecuteOptions): Promise<string> => {
    const result = made.group.executeOnAny(work, given);
    result.catch(() => {});
    await made.time.advance(10_000);
    return await result;
  };
  return { ...made, ran, work, run };
}

const breakers = (group: FakeGroup): string => group.nodes.map(({ name, breaker }) => `${name} ${breaker}`).join(', ');

test('work gets a connection and its lease, and gives it back', async (t) => {
  const { group } = groupOf({ nodes: { a: 1 } });
  const result = await group.executeOnAny((connection, { node, lease }) => {
    t.deepEqual([connection.id, node, lease.connection], ['a1', 'a', connection]);
    t.is(group.inUse, 1);
    return 7;
  });
  t.is(result, 7);
  t.deepEqual([group.idle, group.inUse], [1, 0]);
});

test('after a retryable error the connection is destroyed, and another node tries', async (t) => {
  const { group, pool, ran, run } = workOver({ nodes: { a: 3, b: 1 }, strategy: 'failover' }, ['a']);
  t.is(await run(), 'b1');
  t.deepEqual(ran, ['a', 'b']);
  t.deepEqual([pool('a').idle, pool('a').size, group.inUse], [2, 2, 0]);
  const [a] = group.nodes;
  t.deepEqual([a?.failures, a?.lastError, a?.acquired], [1, 'read ECONNRESET', 1]);
});

test('the node that has failed is tried again when there is no other', async (t) => {
  const { ran, run, group } = workOver({ nodes: { a: 3 } }, ['a']);
  await t.throwsAsync(run(), { code: 'ECONNRESET' });
  t.deepEqual(ran, ['a', 'a', 'a']);
  t.is(group.idle, 0);
});

test('with several nodes that fail, each try is on another than the one before', async (t) => {
  const { ran, run } = workOver({ nodes: { a: 9, b: 9 }, strategy: 'failover' }, ['a', 'b']);
  await t.throwsAsync(run({ retry: { tries: 4 } }), { code: 'ECONNRESET' });
  t.deepEqual(ran, ['a', 'b', 'a', 'b']);
});

test('a fit node is waited for rather than trying again where it failed', async (t) => {
  const { group, pool, ran, work, time } = workOver({ nodes: { a: 3, b: 0 } }, ['a']);
  const result = group.executeOnAny(work);
  await time.advance(200);
  t.deepEqual([ran, pool('b').waiting, pool('a').waiting], [['a'], 1, 0]);
  pool('b').fill();
  t.is(await result, 'b1');
});

test('work waits for a node that is fit rather than going where it has failed lately', async (t) => {
  const { group, pool } = groupOf({ nodes: { a: 2, b: 0 }, breaker: { failures: 1 } });
  pool('a').breaker.failed();
  const waiting = group.executeOnAny(({ id }) => id);
  t.is(pool('b').waiting, 1);
  pool('b').fill();
  t.is(await waiting, 'b1');
});

test('any other error is thrown as it is, and the connection goes back', async (t) => {
  const bug = new TypeError('a bug');
  const { group, ran, run } = workOver({ nodes: { a: 1, b: 1 }, breaker: { failures: 1 } }, ['a', 'b'], () => bug);
  await t.throwsAsync(run(), { is: bug });
  t.deepEqual([ran, group.idle, group.inUse], [['a'], 2, 0]);
  t.deepEqual([breakers(group), group.nodes[0]?.failures], ['a closed, b closed', 0]);
});

test('what may be tried again, and how often, is for the caller to say', async (t) => {
  const bug = new TypeError('a flaky one');
  const retryable = (error: unknown): boolean => error === bug;
  const { ran, run } = workOver({ nodes: { a: 9 }, retry: { retryable } }, ['a'], () => bug);
  await t.throwsAsync(run({ retry: { tries: 5, initialMs: 10 } }), { is: bug });
  t.is(ran.length, 5);
  await t.throwsAsync(run({ retry: { retryable: () => false } }), { is: bug });
  t.is(ran.length, 6);
});

test('a rule that is undefined is the one of the group', async (t) => {
  const retryable = (): boolean => true;
  const rules = { tries: 2, retryable };
  const { ran, run } = workOver({ nodes: { a: 9 }, retry: rules }, ['a'], () => new TypeError('a bug'));
  await t.throwsAsync(run({ retry: { tries: undefined, retryable: undefined, maxMs: undefined } }));
  t.deepEqual(ran, ['a', 'a']);
});

test('work may end its lease by itself', async (t) => {
  const { group } = groupOf({ nodes: { a: 2 } });
  await group.executeOnAny((_, { lease }) => lease.release());
  t.is(group.idle, 2);
  await group.executeOnAny((_, { lease }) => lease.destroy());
  const failed = group.executeOnAny(
    (_, { lease }) => {
      lease.destroy();
      throw reset();
    },
    { retry: { tries: 1 } },
  );
  await t.throwsAsync(failed, { code: 'ECONNRESET' });
  t.is(group.nodes[0]?.size, 0);
});

test('failures in a row open the breaker, and the node is left alone', async (t) => {
  const options = { nodes: { a: 9, b: 9 }, strategy: 'failover', breaker: { failures: 2 } } as const;
  const { group, ran, run, work, time } = workOver(options, ['a']);
  await run();
  t.is(breakers(group), 'a closed, b closed');
  const [first, second] = [group.executeOnAny(work), time.advance(0)];
  await second;
  t.is(breakers(group), 'a open, b closed');
  await time.advance(1000);
  await first;
  t.is(await group.executeOnAny(work), 'b9');
  t.deepEqual(ran, ['a', 'b', 'a', 'b', 'b']);
});

test('one trial is let through when the pause is over, and its success closes', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 9, b: 9 }, strategy: 'failover', breaker: { failures: 1 } });
  pool('a').breaker.failed();
  await time.advance(5000);
  t.is(breakers(group), 'a half-open, b closed');
  const ran: string[] = [];
  let finish = (): void => undefined;
  const trial = group.executeOnAny((_, { node }) => {
    ran.push(node);
    return new Promise<void>((resolve) => (finish = resolve));
  });
  await time.advance(0);
  await group.executeOnAny((_, { node }) => void ran.push(node));
  t.deepEqual(ran, ['a', 'b'], 'the second does not go where the first one tries');
  finish();
  await trial;
  t.is(breakers(group), 'a closed, b closed');
});

test('a trial that fails opens again for twice as long; one that says nothing makes room for another', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 9, b: 9 }, strategy: 'failover', breaker: { failures: 1 } });
  const ran: string[] = [];
  const fail = (error: Error) => {
    const result = group.executeOnAny(
      (_, { node }) => {
        ran.push(node);
        throw error;
      },
      { retry: { tries: 1 } },
    );
    return t.throwsAsync(result, { is: error });
  };
  pool('a').breaker.failed();
  await time.advance(5000);
  await fail(new TypeError('a bug'));
  t.is(breakers(group), 'a half-open, b closed');
  await fail(reset());
  t.deepEqual([ran, breakers(group)], [['a', 'a'], 'a open, b closed']);
  await time.advance(9999);
  t.is(group.nodes[0]?.breaker, 'open');
  await time.advance(1);
  t.is(group.nodes[0]?.breaker, 'half-open');
});

test('one who waits for a half-open node has its trial until it is served elsewhere', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 0, b: 0 }, breaker: { failures: 1 } });
  const { breaker } = pool('a');
  breaker.failed();
  await time.advance(5000);
  const first = group.executeOnAny((_, { node }) => node);
  t.is(pool('a').waiting, 1);
  t.false(breaker.ready);
  const second = group.executeOnAny((_, { node }) => node);
  t.deepEqual([pool('a').waiting, pool('b').waiting], [1, 2]);
  pool('b').fill();
  t.deepEqual(await Promise.all([first, second]), ['b', 'b']);
  t.true(breaker.ready);
});

test('who waits elsewhere goes to a half-open node as soon as its trial is given up', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 2, b: 0 }, breaker: { failures: 1 } });
  pool('a').breaker.failed();
  await time.advance(5000);
  let fail = (_error: Error): void => undefined;
  const trial = group.executeOnAny(() => new Promise((_resolve, reject) => (fail = reject)));
  await time.advance(0);
  const waiting = group.executeOnAny(({ id }) => id);
  t.deepEqual([pool('a').idle, pool('a').waiting, pool('b').waiting], [1, 0, 1]);
  fail(new TypeError('a bug'));
  await t.throwsAsync(trial, { instanceOf: TypeError });
  t.is(await waiting, 'a2');
});

test('work that was running when the breaker opened does not decide the trial', async (t) => {
  const { group, pool, time } = groupOf({ nodes: { a: 9 }, breaker: { failures: 1 } });
  let finish = (): void => undefined;
  const late = group.executeOnAny(() => new Promise<void>((resolve) => (finish = resolve)));
  await time.advance(0);
  pool('a').breaker.failed();
  await time.advance(5000);
  finish();
  await late;
  t.is(breakers(group), 'a half-open');
});

test('an abort ends the pause between tries, and is no failure of the node', async (t) => {
  const { group, work, ran, time } = workOver({ nodes: { a: 9 } }, ['a']);
  const abort = new AbortController();
  const failed = t.throwsAsync(group.executeOnAny(work, { signal: abort.signal }), { message: 'enough' });
  await time.advance(50);
  abort.abort(new Error('enough'));
  await failed;
  t.is(ran.length, 1);
  const during = new AbortController();
  const aborted = group.executeOnAny(
    () => {
      during.abort();
      throw reset();
    },
    { signal: during.signal },
  );
  await t.throwsAsync(aborted, { code: 'ECONNRESET' });
  t.deepEqual([group.nodes[0]?.failures, group.idle, time.timers > 0], [1, 8, true]);
});

test('each try waits for a connection by itself; after a wait in vain all nodes will do again', async (t) => {
  const { group, run, ran } = workOver({ nodes: { a: 9, b: 0 } }, ['a']);
  await t.throwsAsync(run({ timeoutMs: 100 }), { code: 'ECONNRESET' });
  t.deepEqual([ran, group.waiting], [['a', 'a'], 0]);
  group.updateNodes([{ name: 'b' }]);
  await t.throwsAsync(run({ timeoutMs: 100 }), { code: 'POOLD_ERR_ACQUIRE_TIMEOUT' });
});

test('nothing is tried again without nodes, or in a closed group', async (t) => {
  const { group, time } = groupOf();
  const alone = t.throwsAsync(
    group.executeOnAny(() => 1, { timeoutMs: 100 }),
    { code: 'POOLD_ERR_NO_NODE' },
  );
  await time.advance(100);
  await alone;
  const closing = groupOf({ nodes: { a: 1 } });
  const work = closing.group.executeOnAny(() => {
    closing.group.destroy();
    throw reset();
  });
  await t.throwsAsync(work, { code: 'ECONNRESET' });
  await t.throwsAsync(
    closing.group.executeOnAny(() => 1),
    { code: 'POOLD_ERR_POOL_CLOSED' },
  );
  t.deepEqual([time.timers, closing.time.timers], [0, 0]);
});

test('work on a node that leaves meanwhile ends in peace', async (t) => {
  const { group, time } = groupOf({ nodes: { a: 1, b: 1 }, strategy: 'failover', breaker: { failures: 1 } });
  const ran: string[] = [];
  const result = group.executeOnAny((_, { node }) => {
    ran.push(node);
    if (node === 'b') return node;
    void group.removeNode('a');
    throw reset();
  });
  await time.advance(1000);
  t.is(await result, 'b');
  t.deepEqual(ran, ['a', 'b']);
  t.is(breakers(group), 'b closed');
});
