import test from 'ava';
import { Crowd } from '../../../src/shared/tunnel/crowd.ts';
import { manualClock } from '../../helpers/clock.ts';

test('who leaves takes nobody along, may leave twice, and come again', (t) => {
  const crowd = new Crowd<{ readonly name: string }>();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => ({ name })) as [
    { name: string },
    { name: string },
    { name: string },
    { name: string },
  ];
  const names = (): string[] =>
    crowd
      .all()
      .map(({ name }) => name)
      .toSorted();
  for (const member of [a, b, c]) crowd.add(member);
  crowd.delete(d);
  crowd.delete(a);
  crowd.delete(a);
  t.deepEqual(names(), ['b', 'c']);
  crowd.delete(c);
  crowd.add(a);
  crowd.add(c);
  t.deepEqual([names(), crowd.size], [['a', 'b', 'c'], 3]);
  for (const member of [b, c, a]) crowd.delete(member);
  t.is(crowd.size, 0);
});

test('an empty crowd is heard, or the grace is over', async (t) => {
  const time = manualClock();
  const crowd = new Crowd<object>();
  await crowd.empty(time.clock, 1000);
  const member = {};
  crowd.add(member);
  const emptied = crowd.empty(time.clock, 1000);
  crowd.delete(member);
  await emptied;
  t.is(time.timers, 0);
  crowd.add(member);
  const over = crowd.empty(time.clock, 1000);
  await time.advance(1000);
  await over;
  t.is(crowd.size, 1);
});
