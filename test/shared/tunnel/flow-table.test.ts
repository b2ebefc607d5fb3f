import test from 'ava';
import { Flow } from '../../../src/shared/tunnel/flow.ts';
import { FlowTable } from '../../../src/shared/tunnel/flow-table.ts';
import { manualClock } from '../../helpers/clock.ts';

class NamedFlow extends Flow<NamedFlow> {}

function tableOf(max: number) {
  const time = manualClock();
  const lost: string[] = [];
  const table = new FlowTable<NamedFlow>({ max, idleMs: 1000, clock: time.clock }, ({ remote }, why) => {
    lost.push(`${remote} ${why}`);
  });
  const add = (name: string): NamedFlow => {
    const flow = new NamedFlow(name, time.clock.now());
    table.add(flow);
    return flow;
  };
  return { time, table, lost, add };
}

test('a flow goes exactly when it has been silent for its time', async (t) => {
  const { time, table, lost, add } = tableOf(10);
  add('silent');
  const busy = add('busy');
  await time.advance(600);
  table.touch(busy);
  await time.advance(399);
  t.deepEqual(lost, []);
  await time.advance(1);
  t.deepEqual(lost, ['silent idle']);
  table.answer(busy);
  await time.advance(999);
  t.deepEqual(lost, ['silent idle']);
  await time.advance(1);
  t.deepEqual(lost, ['silent idle', 'busy idle']);
  t.deepEqual([table.size, time.timers], [0, 0]);
});

test('an empty table has no timer', (t) => {
  const { time, table, add } = tableOf(10);
  const [one, other] = [add('one'), add('other')];
  t.is(time.timers, 1);
  table.delete(one);
  table.answer(other);
  table.delete(other);
  t.deepEqual([table.size, time.timers], [0, 0]);
});

test('in a full table the one that is silent for longest goes', async (t) => {
  const { time, table, lost, add } = tableOf(4);
  for (const name of ['a', 'b', 'c', 'd']) {
    table.answer(add(name));
    await time.advance(1);
  }
  add('e');
  t.deepEqual(lost, ['a displaced']);
  t.is(table.size, 4);
});

test('those who were not answered displace each other, once they fill more than a quarter', async (t) => {
  const { time, table, lost, add } = tableOf(8);
  const served = ['s1', 's2', 's3', 's4', 's5', 's6'].map(add);
  for (const flow of served) table.answer(flow);
  await time.advance(10);
  for (let n = 1; n <= 100; n += 1) add(`forged${n}`);
  t.is(table.size, 8);
  // As long as they fill a quarter at most, the oldest of all goes.
  t.deepEqual(lost.slice(0, 2), ['s1 displaced', 'forged1 displaced']);
  t.is(lost.filter((text) => text.startsWith('s')).length, 1);
});

test('a newcomer among many who are served has the time to be answered', (t) => {
  const { table, lost, add } = tableOf(100);
  for (let n = 0; n < 100; n += 1) table.answer(add(`served${n}`));
  const newcomers = Array.from({ length: 25 }, (_, n) => add(`new${n}`));
  t.true(lost.every((text) => text.startsWith('served')));
  for (const flow of newcomers) table.answer(flow);
  t.is(table.size, 100);
});
