import test from 'ava';
import { systemClock } from '../../src/shared/clock.ts';

test('a delay beyond the longest one of the machine does not end at once', async (t) => {
  const fired: string[] = [];
  const endless = [2 ** 31, Infinity].map((delayMs) => systemClock.setTimeout(() => fired.push('too soon'), delayMs));
  await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, 5));
  t.deepEqual(fired, []);
  for (const timer of endless) systemClock.clearTimeout(timer);
});
