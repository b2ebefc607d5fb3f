import test from 'ava';
import { StallWatch } from '../../../src/shared/relay/stall-watch.ts';
import { manualClock } from '../../helpers/clock.ts';

function watched(progress: number | undefined) {
  const one = {
    progress,
    stalls: 0,
    stalled() {
      one.stalls += 1;
    },
  };
  return one;
}

test('what is blocked and does not move is told so, once', async (t) => {
  const time = manualClock();
  const watch = new StallWatch(time.clock, 8000);
  const stuck = watched(5);
  watch.add(stuck);
  await time.advance(8000);
  t.is(stuck.stalls, 0);
  await time.advance(2000);
  t.is(stuck.stalls, 1);
  await time.advance(100_000);
  t.is(stuck.stalls, 1);
  t.is(time.timers, 0);
});

test('what moves a little, and what is not blocked, is left alone', async (t) => {
  const time = manualClock();
  const watch = new StallWatch(time.clock, 8000);
  const [slow, idle] = [watched(0), watched(undefined)];
  const places = [watch.add(slow), watch.add(idle)];
  for (let round = 0; round < 20; round += 1) {
    await time.advance(7000);
    slow.progress = round + 1;
  }
  t.deepEqual([slow.stalls, idle.stalls], [0, 0]);
  for (const place of places) watch.delete(place);
  t.is(time.timers, 0);
});

test('who leaves takes nobody along, and may leave twice', async (t) => {
  const time = manualClock();
  const watch = new StallWatch(time.clock, 8000);
  const all = Array.from({ length: 5 }, () => watched(5));
  const places = all.map((one) => watch.add(one));
  for (const at of [1, 4, 1, 0, 4]) watch.delete(places[at]);
  await time.advance(10_000);
  t.deepEqual(
    all.map(({ stalls }) => stalls),
    [0, 0, 1, 1, 0],
  );
  t.is(time.timers, 0);
});

test('zero switches it off', async (t) => {
  const time = manualClock();
  const watch = new StallWatch(time.clock, 0);
  const stuck = watched(5);
  watch.add(stuck);
  await time.advance(1e9);
  t.is(stuck.stalls, 0);
});

test('a stopped process moves no byte for anybody: what is blocked has its time anew', async (t) => {
  const time = manualClock();
  const watch = new StallWatch(time.clock, 8000);
  const stuck = watched(5);
  watch.add(stuck);
  await time.advance(2000);
  time.stop(60_000);
  t.is(stuck.stalls, 0);
  await time.advance(7000);
  t.is(stuck.stalls, 0);
  await time.advance(1000);
  t.is(stuck.stalls, 1);
});
