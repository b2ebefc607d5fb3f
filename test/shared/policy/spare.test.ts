import test from 'ava';
import { spareShare } from '../../../src/shared/policy/spare.ts';

const cases: [title: string, count: number, busy: number, expected: number][] = [
  ['a process at rest begins everything', 40, 0, 40],
  ['half of it when half of the time is taken', 40, 0.5, 20],
  ['one at a time when all of it is', 40, 1, 1],
  ['nothing of nothing', 0, 0.5, 0],
];

for (const [title, count, busy, expected] of cases) {
  test(title, (t) => {
    t.is(spareShare(count, busy), expected);
  });
}
