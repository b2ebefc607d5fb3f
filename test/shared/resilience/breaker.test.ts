import test from 'ava';
import fc from 'fast-check';
import { Breaker, type BreakerOptions } from '../../../src/shared/resilience/breaker.ts';
import { manualClock } from '../../helpers/clock.ts';
import { later } from '../../helpers/later.ts';

const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });

function breakerOf(options: BreakerOptions = {}) {
  const time = manualClock();
  const changes: string[] = [];
  const breaker = new Breaker({ clock: time.clock, onChange: (state) => changes.push(state), ...options });
  return { breaker, changes, time };
}

/** One that has just opened. */
function openBreaker(options: BreakerOptions = {}) {
  const made = breakerOf({ failures: 1, ...options });
  made.breaker.failed();
  return made;
}

test('it opens after five failures in a row, and a success between starts the count again', (t) => {
  const { breaker, changes } = breakerOf();
  for (let failure = 0; failure < 4; failure += 1) breaker.failed();
  breaker.succeeded();
  for (let failure = 0; failure < 4; failure += 1) breaker.failed();
  t.is(breaker.state, 'closed');
  t.true(breaker.allows());
  breaker.failed();
  t.is(breaker.state, 'open');
  t.false(breaker.allows());
  t.deepEqual(changes, ['open']);
});

test('it is half-open when its pause is over, and says when that will be', async (t) => {
  const { breaker, changes, time } = breakerOf({ failures: 1 });
  t.is(breaker.retryAt, undefined);
  await time.advance(700);
  breaker.failed();
  t.is(breaker.retryAt, 5700);
  await time.advance(4999);
  t.false(breaker.allows());
  await time.advance(1);
  t.is(breaker.state, 'half-open');
  t.is(breaker.retryAt, undefined);
  t.deepEqual(changes, ['open', 'half-open']);
});

test('half-open lets one trial through at a time, and its success closes', async (t) => {
  const { breaker, changes, time } = openBreaker();
  await time.advance(5000);
  t.true(breaker.ready);
  t.deepEqual([breaker.allows(), breaker.allows(), breaker.ready], [true, false, false]);
  breaker.succeeded();
  t.deepEqual(changes, ['open', 'half-open', 'closed']);
  t.deepEqual([breaker.allows(), breaker.allows()], [true, true]);
  t.is(time.timers, 0);
});

test('each trial that fails doubles the pause, to its longest; a success starts over', async (t) => {
  const { breaker, time } = openBreaker({ openMs: 5000 });
  const pauses: number[] = [];
  for (let trial = 0; trial < 5; trial += 1) {
    const pauseMs = (breaker.retryAt ?? 0) - time.clock.now();
    pauses.push(pauseMs);
    await time.advance(pauseMs);
    breaker.allows();
    if (trial < 4) breaker.failed();
  }
  t.deepEqual(pauses, [5000, 10_000, 20_000, 30_000, 30_000]);
  breaker.succeeded();
  breaker.failed();
  t.is((breaker.retryAt ?? 0) - time.clock.now(), 5000);
});

test('an abandoned trial makes room for another, and decides nothing', async (t) => {
  const { breaker, time } = openBreaker();
  await time.advance(5000);
  breaker.allows();
  breaker.abandoned();
  t.is(breaker.state, 'half-open');
  t.deepEqual([breaker.allows(), breaker.allows()], [true, false]);
});

test('whoever wants to know hears when a trial begins and when it is given up', async (t) => {
  const readiness: boolean[] = [];
  const made = openBreaker({ onTrial: () => readiness.push(made.breaker.ready) });
  const { breaker, time } = made;
  breaker.abandoned();
  await time.advance(5000);
  breaker.allows();
  breaker.abandoned();
  breaker.abandoned();
  breaker.allows();
  await time.advance(5000);
  t.deepEqual(readiness, [false, true, false, true]);
});

test('a trial of which nothing is heard keeps nobody out for longer than the pause before it', async (t) => {
  const { breaker, time } = openBreaker();
  await time.advance(5000);
  breaker.allows();
  const { generation } = breaker;
  await time.advance(4999);
  t.false(breaker.allows());
  await time.advance(1);
  t.true(breaker.allows());
  breaker.succeeded(generation);
  t.is(breaker.state, 'closed', 'the first trial still counts when it ends');
});

test('what began before it opened says nothing about the trial', async (t) => {
  const { breaker, time } = breakerOf({ failures: 2 });
  const { generation } = breaker;
  breaker.failed(generation);
  breaker.failed(generation);
  breaker.succeeded(generation);
  breaker.succeeded();
  breaker.failed();
  t.is(breaker.state, 'open');
  await time.advance(5000);
  breaker.allows();
  breaker.succeeded(generation);
  breaker.failed(generation);
  breaker.abandoned(generation);
  t.is(breaker.state, 'half-open');
  t.false(breaker.allows(), 'the trial is still under way');
});

test('what began before it closed again is not counted', async (t) => {
  const { breaker, time } = breakerOf({ failures: 2 });
  const { generation } = breaker;
  breaker.failed();
  breaker.failed();
  await time.advance(5000);
  breaker.allows();
  breaker.succeeded();
  for (let late = 0; late < 5; late += 1) breaker.failed(generation);
  t.is(breaker.state, 'closed');
});

test('run counts failures of the other side only, and refuses with the time to wait', async (t) => {
  const { breaker, time } = breakerOf({ failures: 2, name: 'node a' });
  const refuse = () =>
    t.throwsAsync(
      breaker.run(() => Promise.reject(refused)),
      { is: refused },
    );
  await refuse();
  const bug = new TypeError('a bug');
  await t.throwsAsync(
    breaker.run(() => {
      throw bug;
    }),
    { is: bug },
  );
  t.is(await breaker.run(() => 7), 7);
  await refuse();
  t.is(breaker.state, 'closed', 'the success lay between');
  await refuse();
  await time.advance(1000);
  const error = await t.throwsAsync(
    breaker.run(() => 7),
    { code: 'POOLD_ERR_CIRCUIT_OPEN' },
  );
  t.regex(error.message, /^node a has failed too often in a row; try again in 4000 ms/);
});

test('run has its trial, and a bug of the caller makes room for another', async (t) => {
  const { breaker, time } = openBreaker();
  await time.advance(5000);
  let end = (_error: Error): void => undefined;
  const trial = breaker.run(() => new Promise((_, reject) => (end = reject)));
  await t.throwsAsync(
    breaker.run(() => 7),
    { code: 'POOLD_ERR_CIRCUIT_OPEN', message: /one try is under way/ },
  );
  end(new TypeError('a bug'));
  await t.throwsAsync(trial, { instanceOf: TypeError });
  t.is(await breaker.run(() => 7), 7);
  t.is(breaker.state, 'closed');
});

test('a proof that the other side serves closes it at once', async (t) => {
  const { breaker, changes, time } = openBreaker();
  breaker.proved();
  t.deepEqual([breaker.state, breaker.retryAt, time.timers], ['closed', undefined, 0]);
  breaker.proved();
  t.deepEqual(changes, ['open', 'closed']);
  await time.advance(10_000);
  t.is(breaker.state, 'closed');
});

test('a stopped breaker keeps no timer', (t) => {
  const { breaker, time } = openBreaker();
  t.is(time.timers, 1);
  breaker.stop();
  t.is(time.timers, 0);
});

test('a stopped breaker counts nothing that was under way, and what it follows ends as it would', async (t) => {
  const { breaker, changes, time } = breakerOf({ failures: 1 });
  const { generation } = breaker;
  const work = breaker.follow(generation, () => Promise.reject(refused));
  breaker.stop();
  await t.throwsAsync(work, { is: refused });
  t.deepEqual([breaker.state, changes, time.timers], ['closed', [], 0]);
});

test('what a listener throws is thrown later, and breaks nothing', (t) => {
  const mistake = new Error('of a listener');
  const { breaker } = breakerOf({
    failures: 1,
    onChange: () => {
      throw mistake;
    },
  });
  t.deepEqual(
    later(() => breaker.failed()),
    [mistake],
  );
  t.is(breaker.state, 'open');
});

test('options that cannot be used are named', (t) => {
  t.throws(() => new Breaker({ failures: 0 }), { code: 'POOLD_ERR_INVALID_OPTION', message: /^failures/ });
  t.throws(() => new Breaker({ openMs: 500, maxOpenMs: 100 }), { message: /^openMs: 500 is above maxOpenMs 100/ });
});

test('in whatever order things happen, it never lets two trials through, and opens only after enough failures', async (t) => {
  const step = fc.constantFrom('allows', 'succeeded', 'failed', 'abandoned', 'late', 'wait');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const { breaker, time } = breakerOf({ failures: 3, openMs: 100, maxOpenMs: 100 });
      const begun: number[] = [];
      let inRow = 0;
      let trials = 0;
      for (const name of steps) {
        const before = breaker.state;
        const { generation } = breaker;
        if (name === 'wait') {
          await time.advance(100);
          trials = 0;
        } else if (name === 'allows') {
          const allowed = breaker.allows();
          if (before === 'open' && allowed) throw new Error('open, and it lets something through');
          if (before === 'half-open' && allowed && (trials += 1) > 1) throw new Error('two trials');
          if (allowed) begun.push(generation);
        } else if (name === 'late') {
          const old = begun.find((one) => one < generation);
          if (old === undefined) continue;
          breaker.failed(old);
          breaker.succeeded(old);
          if (breaker.generation !== generation) throw new Error('a late end changed the state');
        } else {
          breaker[name as 'failed']();
          if (name === 'abandoned') trials = 0;
          if (before === 'closed' && name === 'failed') inRow += 1;
          if (before === 'closed' && name === 'succeeded') inRow = 0;
          if (before === 'closed' && (breaker.state === 'open') !== inRow >= 3) throw new Error(`after ${inRow}`);
        }
        if (breaker.generation !== generation) [inRow, trials] = [0, 0];
      }
      breaker.stop();
      if (time.timers !== 0) throw new Error('a timer is left');
    }),
  );
  t.pass();
});
