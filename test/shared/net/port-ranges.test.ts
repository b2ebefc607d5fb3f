import test from 'ava';
import { formatPortRanges, havePort, parsePortRange } from '../../../src/shared/net/port-ranges.ts';

test('a port and a range are read, and written as they were', (t) => {
  const ranges = ['80', '8000-8999', '1-65535'].map(parsePortRange);
  t.deepEqual(ranges, [
    { first: 80, last: 80 },
    { first: 8000, last: 8999 },
    { first: 1, last: 65_535 },
  ]);
  t.is(formatPortRanges(ranges), '80, 8000-8999, 1-65535');
});

test('what is no range is refused in words', (t) => {
  for (const text of [
    '',
    '0',
    '0-80',
    '080',
    '80-',
    '-80',
    '80-90-100',
    '65536',
    '1-65536',
    '99999-1',
    'http',
    ' 80',
  ]) {
    t.throws(() => parsePortRange(text), { instanceOf: RangeError, message: /is neither a port nor a range/ }, text);
  }
  t.throws(() => parsePortRange('90-80'), { message: '"90-80" begins behind its end; write 80-90' });
});

test('both ends of a range are in it', (t) => {
  const ranges = [parsePortRange('80'), parsePortRange('8000-8002')];
  const inside = [79, 80, 81, 7999, 8000, 8001, 8002, 8003].filter((port) => havePort(ranges, port));
  t.deepEqual(inside, [80, 8000, 8001, 8002]);
});
