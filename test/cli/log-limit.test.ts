import test from 'ava';
import { LogLimit } from '../../src/cli/log-limit.ts';
import { manualClock } from '../helpers/clock.ts';

function startLimit(burst = 1) {
  const time = manualClock();
  const limit = new LogLimit(time.clock, { intervalMs: 5000, burst });
  const lines: string[] = [];
  const say = (kind: string, line: string): void =>
    limit.say(kind, (leftOut) => lines.push(leftOut === 0 ? line : `${line} (${leftOut} left out)`));
  return { time, lines, say };
}

test('the first line of a kind is said at once, and a flood behind it in one line with its number', async (t) => {
  const { time, lines, say } = startLimit();
  for (let n = 0; n < 1000; n += 1) say('full', `visitor ${n}`);
  t.deepEqual(lines, ['visitor 0']);
  await time.advance(4999);
  t.is(lines.length, 1);
  await time.advance(1);
  t.deepEqual(lines, ['visitor 0', 'visitor 999 (998 left out)']);
});

test('a flood that goes on is one line each time', async (t) => {
  const { time, lines, say } = startLimit();
  for (let n = 0; n < 200; n += 1) {
    say('full', `visitor ${n}`);
    await time.advance(100);
  }
  t.deepEqual(lines, [
    'visitor 0',
    'visitor 49 (48 left out)',
    'visitor 99 (49 left out)',
    'visitor 149 (49 left out)',
    'visitor 199 (49 left out)',
  ]);
});

test('a kind that was quiet is said at once again, and nothing is kept of it', async (t) => {
  const { time, lines, say } = startLimit();
  say('full', 'first');
  await time.advance(5000);
  t.is(time.timers, 0);
  say('full', 'again');
  t.deepEqual(lines, ['first', 'again']);
});

test('one kind does not keep another out', (t) => {
  const { lines, say } = startLimit();
  say('full', 'full 1');
  say('full', 'full 2');
  say('denied', 'denied 1');
  t.deepEqual(lines, ['full 1', 'denied 1']);
});

test('a burst is said line by line, and a flood behind it is one line each time until it is over', async (t) => {
  const { time, lines, say } = startLimit(3);
  for (let n = 0; n < 100; n += 1) say('joined', `client ${n}`);
  t.deepEqual(lines.splice(0), ['client 0', 'client 1', 'client 2']);
  await time.advance(5000);
  for (let n = 100; n < 200; n += 1) say('joined', `client ${n}`);
  t.deepEqual(lines.splice(0), ['client 99 (96 left out)']);
  await time.advance(10_000);
  t.deepEqual(lines.splice(0), ['client 199 (99 left out)']);
  for (let n = 200; n < 203; n += 1) say('joined', `client ${n}`);
  t.is(lines.length, 3);
  await time.advance(5000);
  t.is(time.timers, 0);
});
