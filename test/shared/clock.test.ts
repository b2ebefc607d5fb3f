import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'ava';
import { lookLater, systemClock } from '../../src/shared/clock.ts';
import { manualClock } from '../helpers/clock.ts';

test('a delay beyond the longest one of the machine does not end at once', async (t) => {
  const fired: string[] = [];
  const endless = [2 ** 31, Infinity].map((delayMs) => systemClock.setTimeout(() => fired.push('too soon'), delayMs));
  await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, 5));
  t.deepEqual(fired, []);
  for (const timer of endless) systemClock.clearTimeout(timer);
});

test('a deadline that runs out while the process is stopped lets what has arrived be read first', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  const heard: string[] = [];
  const deadlines = ['kept', 'missed'].map((name) => systemClock.setTimeout(() => heard.push(name), 20));
  far.once('data', () => {
    heard.push('data');
    systemClock.clearTimeout(deadlines[0]);
  });
  near.write('in time');
  // As SIGSTOP does: nothing runs, and time goes on.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, 50));
  near.destroy();
  far.destroy();
  server.close();
  t.deepEqual(heard, ['data', 'missed']);
});

test('a look hears whether time has jumped, by either clock', async (t) => {
  const time = manualClock();
  const heard: boolean[] = [];
  const look = (): void => void lookLater(time.clock, 1000, (jumped) => heard.push(jumped));
  look();
  await time.advance(1000);
  look();
  time.stop(1499);
  look();
  time.stop(1500);
  look();
  time.shiftWall(500);
  await time.advance(1000);
  look();
  time.shiftWall(-3_600_000);
  await time.advance(1000);
  t.deepEqual(heard, [false, false, true, true, false]);
});

test('the machine’s own times are the monotonic one and the time of day', (t) => {
  t.true(Math.abs(systemClock.wallNow() - Date.now()) < 60_000);
  t.true(systemClock.now() <= performance.now());
});
