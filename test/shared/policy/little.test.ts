import test from 'ava';
import { idleForDemand, leastLately, smoothed, unservedByThen } from '../../../src/shared/policy/little.ts';

const cases: [title: string, ratePerSecond: number, dialMs: number, expected: number][] = [
  ['no acquires need nothing', 0, 150, 0],
  ['as many as come while one dial takes its time', 200, 150, 30],
  ['a part of one is one', 1, 150, 1],
];

for (const [title, ratePerSecond, dialMs, expected] of cases) {
  test(title, (t) => {
    t.is(idleForDemand(ratePerSecond, dialMs), expected);
  });
}

test('those who are served while a dial takes its time need no dial', (t) => {
  t.deepEqual([unservedByThen(100, 200, 150), unservedByThen(20, 200, 150), unservedByThen(5, 0, 150)], [70, 0, 5]);
});

test('the least value lately falls at once, and rises slowly', (t) => {
  t.deepEqual([leastLately(undefined, 8), leastLately(8, 4), leastLately(4, 20)], [8, 4, 5]);
});

test('a smoothed value begins with the first, and goes half of the way to each newer one', (t) => {
  t.deepEqual([smoothed(undefined, 8), smoothed(8, 0), smoothed(4, 0)], [8, 4, 2]);
});
