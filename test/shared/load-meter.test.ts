import test from 'ava';
import { LoadMeter } from '../../src/shared/load-meter.ts';
import { systemClock } from '../../src/shared/clock.ts';

/** Keeps the event loop from everything else. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('it tells a busy event loop from one at rest', async (t) => {
  const meter = new LoadMeter(systemClock);
  // Long enough for a window of its own, whatever the machine does beside.
  await new Promise((resolve) => setTimeout(resolve, 60));
  const atRest = meter.busy;
  work(60);
  const working = meter.busy;
  t.true(atRest < working, `${atRest} at rest, ${working} at work`);
  t.true(working > 0.9 && working <= 1, `${working} at work`);
  t.is(meter.busy, working, 'the same within a window');
});
