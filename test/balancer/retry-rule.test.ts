import test from 'ava';
import { type Failure, mayRenew, mayRetry } from '../../src/balancer/retry-rule.ts';

/** A GET that could not be connected, with another server there. */
const UNSENT: Failure = {
  retries: 0,
  maxRetries: 2,
  method: 'GET',
  isSent: false,
  isWhole: true,
  isLate: false,
  isStale: false,
  hasOther: true,
};

for (const [what, may, change] of [
  ['a GET that was not sent', true, {}],
  ['a POST that was not sent', true, { method: 'POST' }],
  ['one whose connect took too long', true, { isLate: true }],
  ['one that was not sent, with no other server', false, { hasOther: false }],
  ['one that was not sent, and whose body has begun', false, { method: 'PUT', isWhole: false }],
  ['a GET that was sent', true, { isSent: true }],
  ['a GET that was sent, with no other server', true, { isSent: true, hasOther: false }],
  ['a GET that was sent, and whose body has begun', false, { isSent: true, isWhole: false }],
  ['a GET whose answer took too long', false, { isSent: true, isLate: true }],
  ['a POST that was sent', false, { isSent: true, method: 'POST' }],
  ['a PATCH that was sent', false, { isSent: true, method: 'PATCH' }],
  ['a PUT that was sent', true, { isSent: true, method: 'PUT' }],
  ['a DELETE that was sent', true, { isSent: true, method: 'DELETE' }],
  ['one that was tried often enough', false, { retries: 2 }],
] as const) {
  test(`${what} is ${may ? '' : 'not '}tried again`, (t) => {
    t.is(mayRetry({ ...UNSENT, ...change }), may);
  });
}

const STALE: Failure = { ...UNSENT, isSent: true, isStale: true };

for (const [what, may, change] of [
  ['a GET on a kept connection', true, {}],
  ['one that was tried often enough', true, { retries: 2 }],
  ['one on a connection of its own', false, { isStale: false }],
  ['a POST', false, { method: 'POST' }],
  ['a GET whose body has begun', false, { isWhole: false }],
] as const) {
  test(`${what} is ${may ? '' : 'not '}sent once more, uncounted`, (t) => {
    t.is(mayRenew({ ...STALE, ...change }), may);
  });
}
