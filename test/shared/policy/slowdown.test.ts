import test from 'ava';
import { failedAgain, failuresLeft, pauseAfter } from '../../../src/shared/policy/slowdown.ts';

const failed = (times: number): number => Array.from({ length: times }).reduce<number>((all) => failedAgain(all), 0);

test('five failures are free, the sixth waits', (t) => {
  t.deepEqual(
    [0, 1, 4, 5, 6, 1000].map((times) => pauseAfter(failed(times))),
    [0, 0, 0, 100, 100, 100],
  );
});

test('each failure is forgiven in ten seconds, and all of them within four minutes and a bit', (t) => {
  t.is(pauseAfter(failuresLeft(failed(5), 1)), 0);
  t.is(pauseAfter(failuresLeft(failed(6), 9_999)), 100);
  t.is(pauseAfter(failuresLeft(failed(6), 10_001)), 0);
  t.is(pauseAfter(failuresLeft(failed(1_000_000), 249_999)), 100);
  t.is(pauseAfter(failuresLeft(failed(1_000_000), 250_001)), 0);
  t.is(failuresLeft(3, 1e9), 0);
});
