import test from 'ava';
import { CircuitOpenError } from '../../../src/shared/errors.ts';
import {
  ConnectionLostError,
  PermanentRequestError,
  RequestTimeoutError,
  TransientRequestError,
} from '../../../src/shared/request/request-errors.ts';
import { mayRetry, retryPauseMs } from '../../../src/shared/request/retry-pause.ts';

const transient = new TransientRequestError('busy');

test('what may be sent again', (t) => {
  const rows: [Parameters<typeof mayRetry>[0], unless: boolean, idempotent: boolean][] = [
    [transient, true, true],
    [new CircuitOpenError('a', 500), true, true],
    [new CircuitOpenError('a', 501), false, false],
    [new RequestTimeoutError(5, false, false), true, true],
    [new RequestTimeoutError(5, true, false), false, true],
    [new ConnectionLostError('a', undefined), false, true],
    [new PermanentRequestError('no'), false, false],
  ];
  for (const [error, otherwise, idempotent] of rows) {
    const both = [false, true].map((may) => mayRetry(error, may, { maxWaitMs: 500 }));
    t.deepEqual(both, [otherwise, idempotent], error.message);
  }
});

test('pauses double up to the longest, stray by a fifth, and are no shorter than a circuit says', (t) => {
  const rules = { initialWaitMs: 100, maxWaitMs: 500 };
  const pauses = (random: number) =>
    [1, 2, 3, 4].map((attempts) => retryPauseMs(attempts, transient, rules, () => random));
  t.deepEqual(pauses(0.5), [100, 200, 400, 500]);
  t.deepEqual(pauses(0), [80, 160, 320, 400]);
  t.deepEqual(pauses(1), [120, 240, 480, 500]);
  for (const random of [0, 0.5, 1]) {
    const pauseMs = retryPauseMs(1, new CircuitOpenError('a', 300), rules, () => random);
    t.true(pauseMs >= 300 && pauseMs <= 360, `${pauseMs}`);
  }
  for (const random of [0, 0.5, 1])
    t.is(
      retryPauseMs(1, new CircuitOpenError('a', 500), rules, () => random),
      500,
    );
});
