import test from 'ava';
import { DialLoop, type DialledLevel } from '../../src/client/dial-loop.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { DialError, RejectedError } from '../../src/shared/errors.ts';
import { manualClock } from '../helpers/clock.ts';

const REFUSED = new DialError('connect', 'refused');

/** Refusals that only a person can mend, by the server and by a proxy on the way. */
const HOPELESS = [new RejectedError('auth', 'wrong token'), new DialError('connect', 'wrong user', { refused: true })];

/** A loop over a pool of numbers: dials are counted, and end when the test says so. */
function loopOver(
  given: Partial<
    DialledLevel & {
      maxConnecting: number;
      minCapacity: number;
      maxCapacity: number;
      busy: number;
      earlyMs: number;
      dialMs: number;
      uneven: number;
      onFailure: () => number;
      /** Each random number. */
      draw: number;
    }
  >,
) {
  const time = manualClock();
  // The machine's own timers may fire a moment before their time by the clock, too.
  const { earlyMs = 0 } = given;
  const clock: Clock = {
    ...time.clock,
    setTimeout: (callback, delayMs) => time.clock.setTimeout(callback, delayMs - earlyMs),
  };
  const level = { idle: 0, inUse: 0, connecting: 0, capacity: 8, max: 64, interval: 100, acquired: 0, ...given };
  const starts: number[] = [];
  const loop = new DialLoop(
    {
      minCapacity: given.minCapacity ?? 8,
      maxCapacity: given.maxCapacity ?? 64,
      minIntervalMs: 100,
      maxIntervalMs: 1000,
      maxConnecting: given.maxConnecting ?? 32,
      onFailure: given.onFailure,
      clock,
      random: () => given.draw ?? 0.5,
    },
    {
      level: () => ({ ...level }),
      uneven: () => given.uneven ?? 0,
      adapt: (next) => void Object.assign(level, next),
      dial: () => {
        level.connecting += 1;
        starts.push(clock.now());
        return true;
      },
    },
    { busy: given.busy ?? 0 },
  );
  const succeed = (): void => {
    level.connecting -= 1;
    level.idle += 1;
    loop.succeeded(given.dialMs ?? 10);
  };
  const fail = (error: Error = REFUSED) => {
    level.connecting -= 1;
    return loop.failed(error, starts.at(-1) ?? 0);
  };
  /** The server closes what it has just let in. */
  const dieYoung = () => {
    level.idle -= 1;
    return loop.diedYoung(REFUSED, starts.at(-1) ?? 0);
  };
  return { loop, level, starts, succeed, fail, dieYoung, advance: (ms: number) => time.advance(ms) };
}

test('what is missing is dialled at once, in parallel, up to maxConnecting', (t) => {
  const { loop, level, starts } = loopOver({ capacity: 8, maxConnecting: 5 });
  loop.start();
  t.is(level.connecting, 5);
  t.deepEqual(starts, [0, 0, 0, 0, 0]);
  loop.stop();
});

test('a busy process dials little while visits are on, and all it can before', (t) => {
  const serving = loopOver({ capacity: 16, inUse: 1, maxConnecting: 8, busy: 0.75 });
  serving.loop.start();
  t.is(serving.level.connecting, 2);
  serving.loop.stop();
  const starting = loopOver({ capacity: 16, inUse: 0, maxConnecting: 8, busy: 0.75 });
  starting.loop.start();
  t.is(starting.level.connecting, 8);
  starting.loop.stop();
});

test('each dial that ends makes room for the next; no wave waits for its slowest', (t) => {
  const { loop, level, starts, succeed } = loopOver({ capacity: 8, maxConnecting: 5 });
  loop.start();
  succeed();
  t.is(starts.length, 6);
  t.is(level.connecting, 5);
  loop.stop();
});

test('nothing is dialled while the pool is full, whatever is asked', (t) => {
  const { loop, starts } = loopOver({ capacity: 8, max: 8, idle: 2, inUse: 6 });
  loop.start();
  loop.demand(100);
  t.deepEqual(starts, []);
  loop.stop();
});

test('demand dials beyond the capacity, counting what is under way', (t) => {
  const { loop, level } = loopOver({ capacity: 8, idle: 8 });
  loop.start();
  loop.demand(10);
  t.is(level.connecting, 10);
  loop.demand(10);
  t.is(level.connecting, 10, 'the same visitors ask again while their dials are under way');
  loop.demand(12);
  t.is(level.connecting, 12);
  loop.stop();
});

test('the capacity follows the acquires that come while a dial takes its time, and falls again by itself', async (t) => {
  const { loop, level, succeed, advance } = loopOver({ capacity: 8, maxCapacity: 64, idle: 7, dialMs: 200 });
  loop.start();
  succeed();
  level.acquired = 20;
  await advance(100);
  t.is(level.capacity, 40, '200 a second × 0.2 s');
  const before = level.capacity;
  await advance(3000);
  t.true(level.capacity < before, `${level.capacity} without acquires`);
  level.acquired += 1000;
  await advance(level.interval);
  t.is(level.capacity, 64, 'never above the maximum');
  loop.stop();
});

test('what a process of the server lacks is dialled for once a round, for it may be just starting', async (t) => {
  const { loop, level, starts, advance } = loopOver({ capacity: 8, idle: 8, uneven: 2 });
  loop.start();
  loop.wake();
  t.is(starts.length, 0);
  await advance(100);
  t.is(starts.length, 2);
  loop.wake();
  await advance(level.interval - 1);
  t.is(starts.length, 2);
  loop.stop();
});

test('a shortage is dialled when it is told, not at the end of the interval', (t) => {
  const { loop, level, starts } = loopOver({ capacity: 8, idle: 8 });
  loop.start();
  level.idle = 5;
  loop.wake();
  t.is(starts.length, 3);
  loop.stop();
});

test('after a failure one dial alone tries the way, later and later, up to a second', async (t) => {
  const { loop, starts, fail, advance } = loopOver({ capacity: 8, maxConnecting: 1 });
  loop.start();
  const pauses: number[] = [];
  for (let round = 0; round < 16; round += 1) {
    const { attempt, retryInMs } = fail();
    t.is(attempt, round + 1);
    pauses.push(retryInMs);
    await advance(retryInMs - 1);
    t.is(starts.length, round + 1, 'not yet');
    await advance(1);
    t.is(starts.length, round + 2);
  }
  t.deepEqual(pauses, [55, 55, 55, 55, 60, 75, 93, 117, 146, 182, 228, 285, 356, 445, 505, 505]);
  loop.stop();
});

test('a retry whose timer is early by the clock dials all the same', async (t) => {
  const { loop, starts, fail, advance } = loopOver({ capacity: 1, interval: 10_000, earlyMs: 1 });
  loop.start();
  const { retryInMs } = fail();
  await advance(retryInMs);
  t.is(starts.length, 2);
  loop.stop();
});

test('dials that fail together count as one failure', (t) => {
  const { loop, fail } = loopOver({ capacity: 4 });
  loop.start();
  t.deepEqual(
    [fail(), fail(), fail(), fail()].map(({ attempt }) => attempt),
    [1, 1, 1, 1],
  );
  loop.stop();
});

test('demand and shortage wait for the end of the backoff', async (t) => {
  const { loop, starts, fail, advance } = loopOver({ capacity: 1 });
  loop.start();
  const { retryInMs } = fail();
  loop.demand(20);
  loop.wake();
  t.is(starts.length, 1);
  await advance(retryInMs);
  t.is(starts.length, 2);
  loop.stop();
});

test('an open circuit holds the next dial back for longer than the backoff, unless somebody hurries', async (t) => {
  let heldMs = 5000;
  const { loop, fail, starts, advance } = loopOver({ maxConnecting: 1, onFailure: () => heldMs });
  loop.start();
  t.is(fail().retryInMs, 5000);
  await advance(4990);
  t.is(starts.length, 1);
  await advance(20);
  t.is(starts.length, 2);
  t.true(fail().retryInMs >= 4990);
  await advance(1000);
  loop.hurry();
  t.is(starts.length, 3);
  heldMs = 0;
  t.true(fail().retryInMs <= 1000);
  loop.stop();
});

test('who hurries waits for the end of the backoff all the same, however often it is asked to', async (t) => {
  const { loop, fail, succeed, dieYoung, starts, advance } = loopOver({
    capacity: 1,
    interval: 100_000,
    onFailure: () => 5000,
  });
  loop.start();
  for (let round = 1; round <= 5; round += 1) {
    succeed();
    dieYoung();
    for (let again = 0; again < 3; again += 1) loop.hurry();
    t.is(starts.length, round, 'not yet');
    await advance(1000);
    t.is(starts.length, round + 1, 'the circuit holds nothing back any more');
  }
  fail(new RejectedError('auth', 'wrong token'));
  loop.hurry();
  t.is(starts.length, 6);
  loop.stop();
});

test('the first success ends the backoff, and everything missing is dialled at once', async (t) => {
  const { loop, starts, succeed, fail, advance } = loopOver({ capacity: 8, maxConnecting: 32 });
  loop.start();
  for (let dial = 0; dial < 8; dial += 1) fail();
  await advance(1000);
  t.is(starts.length, 9);
  succeed();
  t.is(starts.length, 9 + 7);
  loop.stop();
});

test('after an outage of a second the next dial is at most half a second away', async (t) => {
  const { loop, fail, advance } = loopOver({ capacity: 1, draw: 1 - Number.EPSILON });
  loop.start();
  let outageMs = 0;
  for (let dial = 0; outageMs < 1000; dial += 1) {
    const { retryInMs } = fail();
    t.true(retryInMs <= Math.max(100, outageMs / 2), `${retryInMs} ms after ${outageMs}`);
    await advance(retryInMs);
    outageMs += retryInMs;
  }
  loop.stop();
});

test('connections that die young are dialled later and later, though each dial succeeds', async (t) => {
  const { loop, starts, succeed, dieYoung, advance } = loopOver({ capacity: 1, interval: 100_000 });
  loop.start();
  const pauses: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    succeed();
    const { attempt, retryInMs } = dieYoung();
    t.is(attempt, round + 1);
    pauses.push(retryInMs);
    loop.wake();
    t.is(starts.length, round + 1, 'not yet');
    await advance(retryInMs);
    t.is(starts.length, round + 2);
  }
  t.deepEqual(pauses, [55, 105, 205, 405, 505, 505]);
  loop.stop();
});

test('after short lives one dial at a time tries the way, until a connection has lived for a second', async (t) => {
  const { loop, level, succeed, dieYoung, advance } = loopOver({ capacity: 8, interval: 100_000 });
  loop.start();
  for (let dial = 0; dial < 8; dial += 1) succeed();
  const pauses = Array.from({ length: 8 }, () => dieYoung().attempt);
  t.deepEqual(pauses, [1, 1, 1, 1, 1, 1, 1, 1], 'those that were dialled together count once');
  await advance(1000);
  t.is(level.connecting, 1);
  succeed();
  t.is(level.connecting, 1);
  await advance(999);
  t.is(level.connecting, 1);
  await advance(1);
  t.is(level.connecting, 7);
  while (level.connecting > 0) succeed();
  t.is(dieYoung().attempt, 1, 'the row is forgotten');
  loop.stop();
});

for (const error of HOPELESS) {
  test(`${error.name}: a refusal that only a person can mend is tried again within half a minute`, async (t) => {
    const { loop, fail, advance } = loopOver({ capacity: 1, maxConnecting: 1 });
    loop.start();
    let longest = 0;
    for (let round = 0; round < 14; round += 1) {
      const { retryInMs } = fail(error);
      longest = Math.max(longest, retryInMs);
      await advance(retryInMs);
    }
    t.true(longest > 10_000 && longest <= 30_000, `${longest}`);
    loop.stop();
  });

  test(`${error.name}: the first refusal behind a long outage is tried again as soon as any first one`, async (t) => {
    const { loop, fail, advance } = loopOver({ capacity: 1, maxConnecting: 1 });
    loop.start();
    for (let round = 0; round < 12; round += 1) await advance(fail().retryInMs);
    const { attempt, retryInMs } = fail(error);
    t.deepEqual([attempt, retryInMs], [1, 55]);
    loop.stop();
  });
}

test('a refusal that names an hour holds nobody back for longer than any of its kind', (t) => {
  const hour = 3_600_000;
  const full = loopOver({ capacity: 1 });
  full.loop.start();
  t.is(full.fail(new RejectedError('full', 'later', hour)).retryInMs, 30_000);
  full.loop.stop();
  const busy = loopOver({ capacity: 1 });
  busy.loop.start();
  t.is(busy.fail(new RejectedError('busy', 'later', hour)).retryInMs, 1000);
  busy.loop.stop();
});

test('a refusal that names a time is not tried again before it', (t) => {
  const { loop, fail } = loopOver({ capacity: 1, maxConnecting: 1 });
  loop.start();
  t.true(fail(new RejectedError('full', 'later', 29_000)).retryInMs >= 29_000);
  loop.stop();
});

test('rounds shorten the interval and raise the capacity under demand, and both return to rest', async (t) => {
  const { loop, level, succeed, advance } = loopOver({ capacity: 8, interval: 500 });
  loop.start();
  for (let round = 0; round < 10; round += 1) {
    while (level.connecting > 0) succeed();
    level.inUse += level.idle;
    level.idle = 0;
    loop.wake();
    await advance(level.interval);
  }
  t.is(level.interval, 100);
  t.true(level.capacity > 8, `${level.capacity}`);
  level.inUse = 0;
  for (let round = 0; round < 100; round += 1) {
    while (level.connecting > 0) succeed();
    await advance(1000);
  }
  t.is(level.capacity, 8);
  t.is(level.interval, 1000);
  loop.stop();
});

test('a stopped loop dials nothing more', async (t) => {
  const { loop, starts, fail, advance } = loopOver({ capacity: 1 });
  loop.start();
  fail();
  loop.stop();
  loop.demand(5);
  await advance(60_000);
  t.is(starts.length, 1);
});

test('dials that fail for want of descriptors are tried later, and no breaker hears of them', async (t) => {
  let told = 0;
  const { loop, fail, starts, advance } = loopOver({ maxConnecting: 1, onFailure: () => (told += 1) });
  loop.start();
  const lacking = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' });
  t.true(fail(new DialError('connect', 'no descriptor', { cause: lacking })).retryInMs > 0);
  t.is(told, 0);
  await advance(1000);
  t.is(starts.length, 2);
  fail();
  t.is(told, 1);
  loop.stop();
});
