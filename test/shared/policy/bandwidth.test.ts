import test from 'ava';
import { bandwidthLimit, turnBytes } from '../../../src/shared/policy/bandwidth.ts';

const KIB = 1024;

test('a burst is what a tenth of a second brings, and one read at least', (t) => {
  t.deepEqual(
    [1024, 100_000, 655_360, 10_000_000].map((rate) => bandwidthLimit(rate)),
    [
      { perSecond: 1024, burst: 64 * KIB },
      { perSecond: 100_000, burst: 64 * KIB },
      { perSecond: 655_360, burst: 64 * KIB },
      { perSecond: 10_000_000, burst: 1_000_000 },
    ],
  );
});

test('a turn is what a hundredth of a second brings, from 4 KiB to one read', (t) => {
  t.deepEqual([1024, 1_000_000, 10_000_000].map(turnBytes), [4 * KIB, 10_000, 64 * KIB]);
});
