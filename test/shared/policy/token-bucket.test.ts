import test from 'ava';
import fc from 'fast-check';
import { type Bucket, takeToken, takeTokens, tokensInMs } from '../../../src/shared/policy/token-bucket.ts';

const fresh = (): Bucket => ({ tokens: Infinity, at: 0 });

test('a burst at once, then one for each part of a second, and no more than a burst after a long rest', (t) => {
  const limit = { perSecond: 2, burst: 3 };
  const bucket = fresh();
  const taken = [0, 0, 0, 0, 499, 500, 501, 1000, 1000, 1_000_000, 1_000_000, 1_000_000, 1_000_000];
  t.deepEqual(
    taken.map((at) => takeToken(bucket, at, limit)),
    [true, true, true, false, false, true, false, true, false, true, true, true, false],
  );
});

test('a limit that was changed holds at once', (t) => {
  const bucket = fresh();
  t.true(takeToken(bucket, 0, { perSecond: 1, burst: 100 }));
  const tight = { perSecond: 1, burst: 2 };
  t.deepEqual(
    [0, 0, 0].map((at) => takeToken(bucket, at, tight)),
    [true, true, false],
  );
});

test('a clock that stands still gives nothing away', (t) => {
  const bucket = { tokens: 0.5, at: 1000 };
  t.false(takeToken(bucket, 1000, { perSecond: 1000, burst: 5 }));
  t.is(bucket.tokens, 0.5);
});

test('whenever they come, no more get through than the burst and the rate allow', (t) => {
  const pauses = fc.array(fc.nat(700), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(pauses, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (steps, perSecond, burst) => {
      const bucket = fresh();
      let now = 0;
      let through = 0;
      for (const step of steps) {
        now += step;
        if (takeToken(bucket, now, { perSecond, burst })) through += 1;
      }
      const most = burst + (now * perSecond) / 1000;
      t.true(through <= most + 1e-6, `${through} of ${most}`);
      t.true(through >= Math.min(steps.length, burst));
    }),
  );
});

test('several are taken together or not at all, and it is known when they will be there', (t) => {
  const limit = { perSecond: 100, burst: 50 };
  const bucket = fresh();
  t.true(takeTokens(bucket, 0, limit, 40));
  t.false(takeTokens(bucket, 0, limit, 30));
  t.is(bucket.tokens, 10);
  t.is(tokensInMs(bucket, limit, 30), 200);
  t.is(tokensInMs(bucket, limit, 10), 0);
  t.false(takeTokens(bucket, 199, limit, 30));
  t.true(takeTokens(bucket, 200, limit, 30));
});
