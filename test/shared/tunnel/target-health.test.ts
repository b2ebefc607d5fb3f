import test from 'ava';
import { TargetHealth } from '../../../src/shared/tunnel/target-health.ts';
import { manualClock } from '../../helpers/clock.ts';

const FAILURE = new Error('it failed');

/** A target's health; `random` draws the longest pauses. */
function health({ checked, random = () => 0.999 }: { checked: boolean; random?: () => number }) {
  const time = manualClock();
  const heard: string[] = [];
  const rules = { checked, rise: 2, fall: 3, clock: time.clock, random };
  const one = new TargetHealth(rules, {
    onDown: (error) => void heard.push(`down: ${error.message}`),
    onUp: () => void heard.push('up'),
    onShort: () => void heard.push('short'),
  });
  return { one, heard, time };
}

test('with checks, so many in a row must fail for down, and pass for up, said once each', (t) => {
  const { one, heard } = health({ checked: true });
  for (const step of ['failed', 'failed', 'passed', 'failed', 'failed'] as const) one[step](FAILURE);
  t.deepEqual([one.up, one.usable, heard], [true, true, []]);
  one.failed(FAILURE);
  one.failed(FAILURE);
  t.deepEqual([one.up, one.usable, heard], [false, false, ['down: it failed']]);
  for (const step of ['passed', 'failed', 'passed'] as const) one[step](FAILURE);
  t.deepEqual([one.up, one.usable, heard], [false, false, ['down: it failed']]);
  one.passed();
  t.deepEqual([one.up, one.usable, heard], [true, true, ['down: it failed', 'up']]);
});

test('with checks, a failed connect keeps the next visits away until a check passes, and counts as a failed check', (t) => {
  const { one, heard } = health({ checked: true });
  one.unreached(FAILURE);
  // Those that were under way with it say nothing new.
  for (let visit = 0; visit < 5; visit += 1) one.unreached(FAILURE);
  t.deepEqual([one.up, one.usable, heard], [false, false, []]);
  one.passed();
  t.deepEqual([one.up, one.usable, heard], [true, true, []]);
  one.unreached(FAILURE);
  one.failed(FAILURE);
  t.deepEqual(heard, []);
  one.failed(FAILURE);
  t.deepEqual(heard, ['down: it failed']);
});

test('with checks, neither time nor a connect brings a target back: it may accept, and still be ill', async (t) => {
  const { one, heard, time } = health({ checked: true });
  for (let check = 0; check < 3; check += 1) one.failed(FAILURE);
  one.claim();
  one.reached();
  one.reached();
  await time.advance(1e8);
  t.deepEqual([one.up, one.usable, heard], [false, false, ['down: it failed']]);
});

test('without checks, the first failed connect is down, and the first that succeeds is up', (t) => {
  const { one, heard } = health({ checked: false });
  one.reached();
  one.unreached(FAILURE);
  one.unreached(FAILURE);
  t.deepEqual([one.up, one.usable, heard], [false, false, ['down: it failed']]);
  one.reached();
  one.reached();
  t.deepEqual([one.up, one.usable, heard], [true, true, ['down: it failed', 'up']]);
});

/** How long a target is left alone after each failure, ms, to the next 10 ms. */
async function pauses(times: number, random: () => number): Promise<number[]> {
  const { one, time } = health({ checked: false, random });
  const found: number[] = [];
  one.unreached(FAILURE);
  while (found.length < times) {
    let waitedMs = 0;
    while (!one.usable) {
      await time.advance(10);
      waitedMs += 10;
    }
    found.push(waitedMs);
    one.claim();
    one.unreached(FAILURE);
  }
  return found;
}

test('without checks, one visit at a time tries after a pause, which grows from 1 s to 30 s', async (t) => {
  t.deepEqual(await pauses(7, () => 0.99999), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  // However lucky the draw.
  t.deepEqual(await pauses(3, () => 0), [1000, 1000, 1000]);
});

test('without checks, the pauses begin anew after a success', async (t) => {
  const { one, time } = health({ checked: false });
  one.unreached(FAILURE);
  for (let trial = 0; trial < 6; trial += 1) {
    await time.advance(30_000);
    one.claim();
  }
  t.false(one.usable);
  one.reached();
  one.unreached(FAILURE);
  await time.advance(1000);
  t.true(one.usable);
});

test('without checks, visits that come because all targets are down do not put the next try off', async (t) => {
  const { one, time } = health({ checked: false });
  one.unreached(FAILURE);
  for (let visit = 0; visit < 10; visit += 1) one.claim();
  await time.advance(1000);
  t.true(one.usable);
  one.claim();
  t.false(one.usable);
});

test('what fails for want of descriptors on this side says nothing about the target', (t) => {
  const shortage = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' });
  for (const checked of [false, true]) {
    const { one, heard } = health({ checked });
    for (let n = 0; n < 5; n += 1) one.unreached(shortage);
    for (let n = 0; n < 5; n += 1) one.failed(shortage);
    t.deepEqual([one.up, one.usable], [true, true]);
    t.deepEqual([...new Set(heard)], ['short']);
  }
});
