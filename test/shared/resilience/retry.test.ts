import { getEventListeners } from 'node:events';
import test from 'ava';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AcquireTimeoutError,
  CircuitOpenError,
  DialError,
  FingerprintError,
  HandshakeTimeoutError,
  InvalidOptionError,
  NoNodeError,
  NotOwnedError,
  PoolClosedError,
  QueueFullError,
  RejectedError,
  VisitResetError,
  reasonOf,
} from '../../../src/shared/errors.ts';
import { retry, type RetryOptions } from '../../../src/shared/resilience/retry.ts';
import { isRetryable } from '../../../src/shared/resilience/retryable.ts';
import { manualClock } from '../../helpers/clock.ts';

const coded = (code: string): Error => Object.assign(new Error(code), { code });

/** Work that fails so often with that error, and when it was called. */
function failing(times: number, options: RetryOptions = {}, error: Error = coded('ECONNRESET')) {
  const time = manualClock();
  const calledAt: number[] = [];
  const result = retry(
    (attempt) => {
      calledAt.push(time.clock.now());
      if (attempt <= times) throw error;
      return `try ${attempt}`;
    },
    { clock: time.clock, random: () => 0.5, ...options },
  );
  result.catch(() => {});
  return { result, calledAt, time };
}

test('the third try is the last, after growing pauses', async (t) => {
  const { result, calledAt, time } = failing(3);
  await time.advance(10_000);
  await t.throwsAsync(result, { code: 'ECONNRESET' });
  t.deepEqual(calledAt, [0, 100, 300]);
  t.is(time.timers, 0);
});

test('the first success is the result', async (t) => {
  const { result, calledAt, time } = failing(1);
  await time.advance(99);
  t.is(calledAt.length, 1);
  await time.advance(1);
  t.is(await result, 'try 2');
});

test('pauses grow by the factor and stop at the longest, jitter included', async (t) => {
  const { result, calledAt, time } = failing(5, { tries: 6, initialMs: 10, factor: 3, maxMs: 100, random: () => 1 });
  await time.advance(10_000);
  t.is(await result, 'try 6');
  t.deepEqual(calledAt, [0, 12, 48, 148, 248, 348]);
});

test('jitter shortens and lengthens', async (t) => {
  const draws = [0, 0.75];
  const { calledAt, time } = failing(2, { random: () => draws.shift() ?? 0 });
  await time.advance(10_000);
  t.deepEqual(calledAt, [0, 80, 80 + 220]);
});

test('an error that another try cannot mend is thrown at once', async (t) => {
  const bug = new TypeError('a bug');
  const { result, calledAt } = failing(1, {}, bug);
  await t.throwsAsync(result, { is: bug });
  t.is(calledAt.length, 1);
});

test('what may be tried again is for the caller to say', async (t) => {
  const bug = new TypeError('a flaky one');
  const { result, time } = failing(1, { retryable: (error) => error === bug }, bug);
  await time.advance(100);
  t.is(await result, 'try 2');
});

test('an abort ends a pause with its reason, and no try follows', async (t) => {
  const abort = new AbortController();
  const { result, calledAt, time } = failing(2, { signal: abort.signal });
  await time.advance(50);
  abort.abort(new Error('changed my mind'));
  await t.throwsAsync(result, { message: 'changed my mind' });
  await time.advance(10_000);
  t.is(calledAt.length, 1);
  t.is(time.timers, 0);
});

test('an abort before the first try, or while one is under way, is the end', async (t) => {
  const early = failing(0, { signal: AbortSignal.abort(new Error('too early')) });
  await t.throwsAsync(early.result, { message: 'too early' });
  t.is(early.calledAt.length, 0);
  const abort = new AbortController();
  let tries = 0;
  const work = (): never => {
    tries += 1;
    abort.abort();
    throw coded('ECONNRESET');
  };
  await t.throwsAsync(retry(work, { signal: abort.signal }), { code: 'ECONNRESET' });
  t.is(tries, 1);
});

test('options that cannot be used are named', async (t) => {
  await t.throwsAsync(
    retry(() => 1, { tries: 0 }),
    { message: /^tries/ },
  );
  await t.throwsAsync(
    retry(() => 1, { jitter: 1.5 }),
    { message: /^jitter: wants a number from 0 to 1/ },
  );
  await t.throwsAsync(
    retry(() => 1, { initialMs: 500, maxMs: 100 }),
    { message: /^initialMs: 500 is above maxMs 100/ },
  );
});

const level = { idle: 0, inUse: 0, connecting: 0, waiting: 0 };
const judged: [error: unknown, expected: boolean][] = [
  [new AcquireTimeoutError('no idle connection', 10, level), true],
  [new QueueFullError(1, level), true],
  [new DialError('connect', 'refused'), true],
  [new HandshakeTimeoutError('tls', 10), true],
  [new PoolClosedError('a'), true],
  [new CircuitOpenError('a', 10), true],
  ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].map(
    (code): [unknown, boolean] => [coded(code), true],
  ),
  [Object.assign(new AggregateError([], 'both families'), { code: 'ECONNREFUSED' }), true],
  ...[1, 2, 3, 4, 5].map((code): [unknown, boolean] => [new VisitResetError(code, `code ${code}`), true]),
  ...[0, 6, 16, 17, 18, 19].map((code): [unknown, boolean] => [new VisitResetError(code, `code ${code}`), false]),
  [new FingerprintError('another certificate'), false],
  [new RejectedError('auth', 'wrong token'), false],
  [new InvalidOptionError('tries', 'is odd'), false],
  [new NotOwnedError('a', 'was given back already'), false],
  [new NoNodeError('g'), false],
  [new TypeError('a bug'), false],
  [coded('ERR_INVALID_ARG_TYPE'), false],
  [AbortSignal.abort().reason, false],
  [new DOMException('too late', 'TimeoutError'), false],
  [{ code: 'ECONNRESET' }, false],
  [undefined, false],
];

for (const [error, expected] of judged) {
  const name = error instanceof Error ? `${error.name} "${reasonOf(error)}"` : JSON.stringify(error);
  test(`${name} ${expected ? 'may' : 'may not'} be tried again`, (t) => {
    t.is(isRetryable(error), expected);
  });
}

test("an AbortError of Node's is not tried again", async (t) => {
  const error = await t.throwsAsync(sleep(1000, undefined, { signal: AbortSignal.abort() }));
  t.false(isRetryable(error));
});

test('one signal for many pauses has one listener, and none once they are over', async (t) => {
  const { signal } = new AbortController();
  const tries = Array.from({ length: 20 }, () => failing(1, { signal }));
  for (const { time } of tries) await time.advance(0);
  t.is(getEventListeners(signal, 'abort').length, 1);
  for (const { time } of tries) await time.advance(1000);
  await Promise.all(tries.map(({ result }) => result));
  t.is(getEventListeners(signal, 'abort').length, 0);
});
