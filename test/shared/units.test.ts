import test from 'ava';
import fc from 'fast-check';
import {
  formatDuration,
  formatSize,
  MAX_DURATION_MS,
  parseDuration,
  parseRate,
  parseSize,
} from '../../src/shared/units.ts';

const durations = {
  '0': 0,
  '250ms': 250,
  '0ms': 0,
  '30s': 30_000,
  '5m': 300_000,
  '1h': 3_600_000,
  '596h': 2_145_600_000,
};

for (const [text, ms] of Object.entries(durations)) {
  test(`the duration ${text} is ${ms} ms`, (t) => {
    t.is(parseDuration(text), ms);
  });
}

const sizes = {
  '0': 0,
  '512B': 512,
  '64KiB': 65_536,
  '10MB': 10_000_000,
  '2MiB': 2_097_152,
  '1kB': 1000,
  '1KB': 1000,
  '3GB': 3_000_000_000,
  '1GiB': 1_073_741_824,
};

for (const [text, bytes] of Object.entries(sizes)) {
  test(`the size ${text} is ${bytes} bytes`, (t) => {
    t.is(parseSize(text), bytes);
  });
}

test('a rate is a size, with or without a second behind it', (t) => {
  t.deepEqual(['10MB/s', '10MB', '64KiB/s', '0'].map(parseRate), [10_000_000, 10_000_000, 65_536, 0]);
  for (const text of ['10', '10/s', '10MB/h', '10MBps', '/s'])
    t.throws(() => parseRate(text), { instanceOf: RangeError });
  t.throws(() => parseRate('10/s'), { message: /has no unit; write a rate such as 10MB\/s/ });
});

const refusals: [text: string, problem: RegExp][] = [
  ['30', /has no unit/],
  ['-5s', /is negative/],
  ['', /is not a (duration|size)/],
  ['1.5h', /is not a (duration|size)/],
  [' 5s', /is not a (duration|size)/],
  ['5 s', /is not a (duration|size)/],
  ['1m30s', /is not a (duration|size)/],
  ['ms', /is not a (duration|size)/],
  ['5x', /unknown unit; use one of/],
];

for (const [text, problem] of refusals) {
  test(`"${text}" is refused as a duration and as a size, and told why`, (t) => {
    for (const parse of [parseDuration, parseSize]) {
      const error = t.throws(() => parse(text), { instanceOf: RangeError, message: problem });
      t.true(error?.message.includes(`"${text}"`));
    }
  });
}

test('a duration that a timer cannot hold is refused', (t) => {
  t.is(parseDuration(`${MAX_DURATION_MS}ms`), MAX_DURATION_MS);
  t.throws(() => parseDuration(`${MAX_DURATION_MS + 1}ms`), { instanceOf: RangeError, message: /at most 596h/ });
});

test('a size that cannot be counted exactly is refused', (t) => {
  t.throws(() => parseSize('9007199254740992B'), { instanceOf: RangeError, message: /too large/ });
});

test('the unit of a size does not stand for a duration', (t) => {
  t.throws(() => parseDuration('64KiB'), { message: /unknown unit/ });
});

test('texts are written in the largest unit that stays exact', (t) => {
  t.deepEqual([0, 250, 1500, 90_000, 300_000, 7_200_000].map(formatDuration), [
    '0ms',
    '250ms',
    '1500ms',
    '90s',
    '5m',
    '2h',
  ]);
  t.deepEqual([0, 512, 1000, 1024, 65_536, 10_000_000, 1024 ** 3].map(formatSize), [
    '0B',
    '512B',
    '1kB',
    '1KiB',
    '64KiB',
    '10MB',
    '1GiB',
  ]);
});

test('every duration is read back as it was written', (t) => {
  const factor = fc.constantFrom(1, 1000, 60_000, 3_600_000);
  fc.assert(
    fc.property(fc.nat(596), factor, (count, unit) => parseDuration(formatDuration(count * unit)) === count * unit),
  );
  fc.assert(fc.property(fc.nat(MAX_DURATION_MS), (ms) => parseDuration(formatDuration(ms)) === ms));
  t.pass();
});

test('every size is read back as it was written', (t) => {
  const factor = fc.constantFrom(1, 1000, 1024, 1000 ** 2, 1024 ** 2, 1000 ** 3, 1024 ** 3);
  fc.assert(fc.property(fc.nat(4096), factor, (count, unit) => parseSize(formatSize(count * unit)) === count * unit));
  fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes));
  t.pass();
});
