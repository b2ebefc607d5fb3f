import test from 'ava';
import { unevenness } from '../../../src/shared/policy/even.ts';

const cases: [title: string, idle: number[], workers: number, capacity: number, expected: number][] = [
  ['a server of one process is always even', [3], 1, 8, 0],
  ['each process has its share', [2, 2, 2, 2], 4, 8, 0],
  ['what one has too much does not help another', [6, 2, 0, 0], 4, 8, 4],
  ['a share is rounded up', [1, 1, 1], 3, 4, 3],
  ['a process that was never met lacks all of its share', [8], 2, 8, 4],
  ['dials end at three times the capacity', [22, 0], 2, 8, 2],
];

for (const [title, idle, workers, capacity, expected] of cases) {
  test(title, (t) => {
    t.is(unevenness(idle, workers, capacity), expected);
  });
}
