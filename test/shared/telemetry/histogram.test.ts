import test from 'ava';
import { addHistograms, between, countOf, Histogram, quantile } from '../../../src/shared/telemetry/histogram.ts';

function seen(...durations: number[]): Histogram {
  const histogram = new Histogram([1, 10, 100]);
  for (const duration of durations) histogram.observe(duration);
  return histogram;
}

test('a duration is counted in the first bucket whose bound it does not pass', (t) => {
  const { counts, sumMs } = seen(0, 1, 1.5, 10, 99, 101, 5000).snapshot();
  t.deepEqual(counts, [2, 2, 1, 2]);
  t.is(sumMs, 5212.5);
});

test('a quantile lies within its bucket, and none is there without durations', (t) => {
  t.is(quantile(seen().snapshot(), 0.5), undefined);
  const spread = seen(...Array.from({ length: 90 }, () => 5), ...Array.from({ length: 10 }, () => 50)).snapshot();
  t.is(quantile(spread, 0.5), 6);
  t.is(quantile(spread, 0.9), 10);
  t.is(quantile(spread, 0.99), 91);
  t.is(quantile(seen(5000).snapshot(), 0.99), 100);
});

test('between two snapshots is what came since, and after a restart all of the later one', (t) => {
  const histogram = seen(5, 5);
  const earlier = histogram.snapshot();
  histogram.observe(50);
  t.deepEqual(between(earlier, histogram.snapshot()).counts, [0, 0, 1, 0]);
  t.deepEqual(between(earlier, seen(0.5).snapshot()).counts, [1, 0, 0, 0]);
  t.is(countOf(addHistograms(earlier, histogram.snapshot())), 5);
});
