import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Relay, type RelayEnd, type RelayHandler, type RelayVisit } from '../../../src/shared/relay/relay.ts';
import { StallWatch } from '../../../src/shared/relay/stall-watch.ts';
import { manualClock } from '../../helpers/clock.ts';
import { giveTransfer } from '../../helpers/transfer.ts';
import { until } from '../../helpers/events.ts';
import { readAll } from '../../helpers/pair.ts';

giveTransfer();

/** A visit without a session: remembers what it is told, and takes as much as it is let. */
class FakeVisit implements RelayVisit {
  handler!: RelayHandler;
  bytesIn = 0;
  bytesOut = 0;
  full = false;
  unsent: number | undefined;
  paused = false;
  readonly told: string[] = [];
  readonly written: Buffer[] = [];

  write(chunk: Buffer): boolean {
    this.bytesOut += chunk.length;
    this.written.push(chunk);
    return !this.full;
  }
  takeBack() {
    return { chunks: this.written };
  }
  end(): void {
    this.told.push('end');
  }
  reset(code: number): void {
    this.told.push(`reset ${code}`);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
}

/** A relay over a real connection, TCP unless there is a `path`; `outside` is the other end of it. */
async function relayed(onReset?: (error: Error) => Promise<RelayVisit> | undefined, path?: string) {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  const address = server.address() as AddressInfo | string;
  const outside = connect({
    ...(typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' }),
    allowHalfOpen: true,
  });
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  const time = manualClock();
  const visit = new FakeVisit();
  const ends: RelayEnd[] = [];
  const relay = new Relay({
    socket,
    visit,
    brokenCode: (error) => (error === undefined ? 1 : 16),
    stalledCode: 17,
    stallWatch: new StallWatch(time.clock, 8000),
    onReset,
    onEnd: (end) => ends.push(end),
  });
  socket.resume();
  return { relay, visit, socket, outside, time, ends };
}

test('both directions are carried, and each ends by itself', async (t) => {
  const { visit, outside, ends } = await relayed();
  outside.end('from outside');
  await until(() => visit.told.includes('end'), 'the end is passed on');
  t.is(String(Buffer.concat(visit.written)), 'from outside');
  const heard = readAll(outside);
  visit.handler.onData(Buffer.from('from inside'));
  visit.handler.onEnd();
  t.is(await heard, 'from inside');
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual(ends, ['done']);
  t.deepEqual(visit.told, ['end']);
});

test('an abort outside is passed in as a reset with its code', async (t) => {
  const { visit, outside, ends } = await relayed();
  outside.resetAndDestroy();
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual([visit.told, ends], [['reset 16'], ['broken']]);
});

test('an abort right behind bytes is never taken for an end', async (t) => {
  for (let visits = 0; visits < 20; visits += 1) {
    const { visit, outside, ends } = await relayed();
    outside.write('half of it');
    outside.resetAndDestroy();
    await until(() => ends.length > 0, 'the relay ends');
    t.deepEqual([visit.told, ends, String(visit.written)], [['reset 16'], ['broken'], 'half of it']);
  }
});

test('an end is one though an abort follows because its sender wanted no more', async (t) => {
  const { visit, socket, outside, ends } = await relayed();
  socket.pause();
  outside.end('all of it');
  outside.on('finish', () => outside.destroy());
  await once(outside, 'close');
  socket.write('too late');
  socket.resume();
  await until(() => ends.length > 0, 'the relay ends');
  t.deepEqual([visit.told, ends, String(visit.written)], [['end', 'reset 16'], ['broken'], 'all of it']);
});

test('a reset inside is passed out as an abort', async (t) => {
  const { visit, outside, ends } = await relayed();
  visit.handler.onReset(new Error('reset'));
  const [error] = (await once(outside, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual([visit.told, ends], [[], ['reset']]);
});

test('a reset right behind an end closes the socket, too', async (t) => {
  const { visit, outside, ends } = await relayed();
  outside.on('error', () => {}).resume();
  visit.handler.onEnd();
  visit.handler.onReset(new Error('reset'));
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual(ends, ['reset']);
  outside.destroy();
});

test('a reset inside closes a unix socket, which knows no abort', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'poold-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const { visit, outside, ends } = await relayed(undefined, join(folder, 'a.sock'));
  visit.handler.onReset(new Error('reset'));
  await once(outside.resume(), 'end');
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual([visit.told, ends], [[], ['reset']]);
  outside.destroy();
});

test('neither side is read faster than the other takes it', async (t) => {
  const { visit, socket, outside } = await relayed();
  visit.full = true;
  outside.write('x');
  await until(() => visit.written.length === 1, 'the first bytes are through');
  t.true(socket.isPaused());
  visit.full = false;
  visit.handler.onDrain();
  t.false(socket.isPaused());
  outside.pause();
  while (!visit.paused) visit.handler.onData(Buffer.alloc(65_536));
  outside.resume();
  await until(() => !visit.paused, 'the visit goes on');
  outside.destroy();
});

test('the memory of what was read is free once it is on its way', async (t) => {
  const { visit, outside } = await relayed();
  visit.unsent = 8192;
  outside.write(Buffer.alloc(8192, 'a'));
  await until(() => visit.bytesOut === 8192, 'the bytes are through');
  t.true(visit.written.every(({ length }) => length > 0));
  visit.unsent = 0;
  visit.handler.onDrain();
  t.true(visit.written.every(({ length }) => length === 0));
  outside.destroy();
});

test('the memory of what may be needed again is left alone', async (t) => {
  const { visit, outside } = await relayed();
  outside.write(Buffer.alloc(8192, 'a'));
  await until(() => visit.bytesOut === 8192, 'the bytes are through');
  visit.handler.onDrain();
  t.is(String(Buffer.concat(visit.written)), 'a'.repeat(8192));
  outside.destroy();
});

test('the visit hears how much of its bytes is still to be written', async (t) => {
  const { visit, outside } = await relayed();
  t.is(visit.handler.unwritten, 0);
  outside.pause();
  while (!visit.paused) visit.handler.onData(Buffer.alloc(65_536));
  t.true((visit.handler.unwritten ?? 0) > 0);
  outside.destroy();
});

test('a visit that stands still too long is reset at both ends', async (t) => {
  const { visit, outside, time, ends } = await relayed();
  visit.full = true;
  outside.on('error', () => {}).write('x');
  await until(() => visit.written.length === 1, 'the visit is blocked');
  await time.advance(10_000);
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual([visit.told, ends], [['reset 17'], ['stalled']]);
});

test('a visit whose last bytes do not leave is reset at both ends, though nothing stops its visitor', async (t) => {
  const { visit, outside, time, ends } = await relayed();
  outside.on('error', () => {}).write('x');
  await until(() => visit.written.length === 1, 'the visit has the byte');
  visit.unsent = 1;
  await time.advance(7000);
  visit.unsent = 0;
  await time.advance(10_000);
  t.deepEqual(visit.told, [], 'what has left does not stand still');
  visit.unsent = 1;
  await time.advance(10_000);
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual([visit.told, ends], [['reset 17'], ['stalled']]);
});

test('an abort of the relay reaches both ends', async (t) => {
  const { relay, visit, outside } = await relayed();
  const broken = once(outside, 'error');
  relay.abort(19, 'closing');
  await broken;
  t.deepEqual(visit.told, ['reset 19']);
});

test('a visit that was turned away goes on in another, with every byte once', async (t) => {
  const second = new FakeVisit();
  const { visit, outside, ends } = await relayed(() => Promise.resolve(second));
  outside.write('first ');
  await until(() => visit.written.length === 1, 'the first visit has the bytes');
  visit.handler.onReset(new Error('turned away'));
  outside.end('second');
  await until(() => second.told.includes('end'), 'the second visit has it all');
  t.is(String(Buffer.concat(second.written)), 'first second');
  second.handler.onEnd();
  outside.resume();
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual(ends, ['done']);
});

test('who ends between two visits has ended in the second', async (t) => {
  const second = new FakeVisit();
  let arrive: (visit: RelayVisit) => void = () => {};
  const { visit, outside, ends } = await relayed(() => new Promise((resolve) => (arrive = resolve)));
  outside.write('all of it');
  await until(() => visit.written.length === 1, 'the first visit has the bytes');
  visit.handler.onReset(new Error('turned away'));
  outside.end();
  await until(() => visit.told.includes('end'), 'the end is here');
  arrive(second);
  await until(() => second.told.includes('end'), 'the second visit has ended, too');
  t.is(String(Buffer.concat(second.written)), 'all of it');
  second.handler.onEnd();
  outside.resume();
  await until(() => ends.length === 1, 'the relay has ended');
  t.deepEqual([second.told, ends], [['end'], ['done']]);
});

test('who leaves between two visits is not carried into the second', async (t) => {
  const second = new FakeVisit();
  let arrive: (visit: RelayVisit) => void = () => {};
  const { visit, outside, ends } = await relayed(() => new Promise((resolve) => (arrive = resolve)));
  visit.handler.onReset(new Error('turned away'));
  visit.handler = undefined as never;
  outside.resetAndDestroy();
  await until(() => ends.length === 1, 'the visitor has left');
  arrive(second);
  await until(() => second.told.length > 0, 'the second visit is told');
  t.deepEqual(second.told, ['reset 16']);
});
