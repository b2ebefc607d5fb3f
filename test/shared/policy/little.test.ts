import test from 'ava';
import { idleForDemand, smoothed } from '../../../src/shared/policy/little.ts';

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

test('a smoothed value begins with the first, and goes half of the way to each newer one', (t) => {
  t.deepEqual([smoothed(undefined, 8), smoothed(8, 0), smoothed(4, 0)], [8, 4, 2]);
});
