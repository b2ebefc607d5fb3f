import test from 'ava';
import { BandwidthGate, type Queued } from '../../../src/shared/tunnel/bandwidth-gate.ts';
import { manualClock } from '../../helpers/clock.ts';

const RATE = 1_000_000;
const READ = 64 * 1024;

/** A gate that has used its burst, and what has passed it since. */
function startGate(bytesPerSecond = RATE) {
  const time = manualClock();
  const gate = new BandwidthGate(bytesPerSecond, time.clock);
  while (gate.tryPass(1024));
  const passed: [who: string, bytes: number, at: number][] = [];
  /** Something that waits until `total` bytes of it have passed, so many at a time. */
  const queue = (who: string, total: number, atATime = total): Queued => {
    let [left, rest] = [atATime, total - atATime];
    const one = {
      get bytes() {
        return left;
      },
      pass(bytes: number): void {
        passed.push([who, bytes, time.clock.now()]);
        left -= bytes;
        if (left > 0 || rest === 0) return;
        // The next read comes when this turn is over.
        left = Math.min(atATime, rest);
        rest -= left;
      },
    };
    gate.wait(one);
    return one;
  };
  const bytesOf = (who: string) => passed.filter(([name]) => name === who).reduce((sum, [, bytes]) => sum + bytes, 0);
  return { gate, time, passed, queue, bytesOf };
}

for (const rate of [10_000, RATE, 50_000_000]) {
  test(`${rate} bytes a second are that, within a hundredth over 5 s`, async (t) => {
    const { time, queue, bytesOf } = startGate(rate);
    queue('bulk', 100 * rate, READ);
    await time.advance(5000);
    const off = bytesOf('bulk') / (5 * rate) - 1;
    t.true(Math.abs(off) < 0.01 || Math.abs(bytesOf('bulk') - 5 * rate) <= 4096, `off by ${off}`);
  });
}

test('what fits passes at once while nobody waits, a burst of a tenth of a second', (t) => {
  const time = manualClock();
  const gate = new BandwidthGate(RATE, time.clock);
  t.true(gate.tryPass(60_000));
  t.true(gate.tryPass(40_000));
  t.false(gate.tryPass(1));
});

test('those who wait share alike, and who comes new with little waits for a turn of each', async (t) => {
  const { gate, time, passed, queue, bytesOf } = startGate();
  queue('one', 10 * RATE, READ);
  queue('two', 10 * RATE, READ);
  await time.advance(1000);
  t.true(Math.abs(bytesOf('one') - bytesOf('two')) <= 10_000);
  // Also who would fit stands behind them.
  t.false(gate.tryPass(1));
  queue('small', 1000);
  const since = time.clock.now();
  await time.advance(100);
  const [, bytes, at] = passed.find(([who]) => who === 'small') ?? ['', 0, Infinity];
  t.is(bytes, 1000);
  t.true(at - since <= 32, `${at - since} ms`);
});

test('who leaves takes no turn, and the last one leaves no timer', async (t) => {
  const { gate, time, queue, bytesOf } = startGate();
  const [one, two] = [queue('one', RATE), queue('two', RATE)];
  gate.leave(one);
  await time.advance(100);
  t.is(bytesOf('one'), 0);
  t.true(bytesOf('two') >= 90_000);
  gate.leave(two);
  gate.leave(two);
  t.is(time.timers, 0);
  await time.advance(1000);
  t.true(gate.tryPass(READ));
});

test('the time is counted in which somebody waits', async (t) => {
  const { gate, time, queue } = startGate();
  await time.advance(1000);
  t.is(gate.throttledMs, 0);
  while (gate.tryPass(1000));
  queue('one', 10_000);
  queue('two', 10_000);
  await time.advance(15);
  t.is(gate.throttledMs, 15);
  await time.advance(1000);
  t.is(gate.throttledMs, 20);
});
