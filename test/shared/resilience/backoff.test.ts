import test from 'ava';
import fc from 'fast-check';
import { DialError, RejectedError, reasonOf } from '../../../src/shared/errors.ts';
import { Backoff, maxDelayFor, minDelayFor } from '../../../src/shared/resilience/backoff.ts';

const unlucky = () => 1 - Number.EPSILON;
const lucky = () => 0;

test('the longest delay doubles with each attempt up to the maximum', (t) => {
  const backoff = new Backoff({ random: unlucky });
  const delays = Array.from({ length: 7 }, () => backoff.next(1000));
  t.deepEqual(delays, [99, 199, 399, 799, 999, 999, 999]);
});

test('the luckiest draw still waits, however often', (t) => {
  const backoff = new Backoff({ random: lucky });
  t.deepEqual([backoff.next(1000), backoff.next(1000), backoff.next(30_000)], [10, 10, 10]);
});

test('a maximum below the shortest delay is kept', (t) => {
  t.is(new Backoff({ random: lucky }).next(5), 5);
});

test('the maximum may change with the kind of failure', (t) => {
  const backoff = new Backoff({ random: unlucky });
  for (let attempt = 0; attempt < 20; attempt += 1) {
    backoff.next(1000);
  }
  t.is(backoff.next(30_000), 29_999);
  t.is(backoff.next(1000), 999);
});

test('attempts are counted until the next success', (t) => {
  const backoff = new Backoff({ baseMs: 50, random: unlucky });
  t.is(backoff.attempt, 0);
  backoff.next(1000);
  backoff.next(1000);
  t.is(backoff.attempt, 2);
  backoff.reset();
  t.is(backoff.attempt, 0);
  t.is(backoff.next(1000), 49);
});

test('every delay lies between the shortest and the ceiling of its attempt', (t) => {
  const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(draw, fc.nat(2000), fc.integer({ min: 10, max: 60_000 }), (value, failures, maxMs) => {
      const backoff = new Backoff({ random: () => value });
      for (let attempt = 0; attempt < failures; attempt += 1) {
        backoff.next(maxMs);
      }
      const delay = backoff.next(maxMs);
      return Number.isInteger(delay) && delay >= 10 && delay <= Math.min(maxMs, 100 * 2 ** failures);
    }),
  );
  t.pass();
});

test('delays are spread over the whole range', (t) => {
  const draws = [0, 0.25, 0.5, 0.75];
  const backoff = new Backoff({ baseMs: 1000, random: () => draws.shift() ?? 0 });
  t.deepEqual(
    Array.from({ length: 4 }, () => backoff.next(1000)),
    [10, 257, 505, 752],
  );
});

const failures: [error: unknown, maxMs: number][] = [
  [new RejectedError('auth', 'wrong token'), 30_000],
  [new RejectedError('version', 'version 2 is not spoken'), 30_000],
  [new RejectedError('tunnel', 'unknown tunnel'), 30_000],
  [new RejectedError('full', 'no room'), 30_000],
  [new RejectedError('limit', 'too many'), 30_000],
  [new RejectedError('busy', 'greetings at their limit'), 1000],
  [new DialError('connect', 'connection refused'), 1000],
  [new DialError('connect', 'the proxy wants a password', { refused: true }), 30_000],
  [new Error('reset'), 1000],
  [undefined, 1000],
];

for (const [error, maxMs] of failures) {
  test(`after "${reasonOf(error)}" for an hour the longest delay is ${maxMs} ms`, (t) => {
    t.is(maxDelayFor(error, 3_600_000), maxMs);
  });
}

test('the longest delay after a failure that may mend itself is half of the outage, within 100 ms and 1 s', (t) => {
  const outages = [0, 100, 200, 500, 1000, 2000, 60_000];
  t.deepEqual(
    outages.map((outageMs) => maxDelayFor(new DialError('connect', 'connection refused'), outageMs)),
    [100, 100, 100, 250, 500, 1000, 1000],
  );
});

const asked: [error: unknown, minMs: number][] = [
  [new RejectedError('full', 'no room', 5000), 5000],
  [new RejectedError('full', 'no room', 3_600_000), 30_000],
  [new RejectedError('busy', 'one moment', 3_600_000), 1000],
  [new RejectedError('busy', 'one moment'), 0],
  [new DialError('connect', 'connection refused'), 0],
];

test('what a refuser asks for is waited for, within the longest delay of its reason', (t) => {
  t.deepEqual(
    asked.map(([error]) => minDelayFor(error)),
    asked.map(([, minMs]) => minMs),
  );
});
