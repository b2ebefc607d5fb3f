import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { Relay, type RelayHandler, type RelayVisit } from '../../../src/shared/relay/relay.ts';
import { StallWatch } from '../../../src/shared/relay/stall-watch.ts';
import { manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';
import { giveTransfer } from '../../helpers/transfer.ts';

giveTransfer();

class FakeVisit implements RelayVisit {
  handler!: RelayHandler;
  bytesIn = 0;
  bytesOut = 0;
  unsent: number | undefined;
  readonly written: Buffer[] = [];
  write(chunk: Buffer): boolean {
    this.bytesOut += chunk.length;
    this.written.push(chunk);
    return true;
  }
  takeBack() {
    return { chunks: this.written };
  }
  end(): void {}
  reset(): void {}
  pause(): void {}
  resume(): void {}
}

async function relayed(next: FakeVisit) {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const outside = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  const visit = new FakeVisit();
  void new Relay({
    socket,
    visit,
    brokenCode: () => 1,
    stalledCode: 17,
    stallWatch: new StallWatch(manualClock().clock, 0),
    onReset: () => Promise.resolve(next),
    onEnd: () => {},
  });
  socket.resume();
  return { visit, outside };
}

for (const opened of [false, true]) {
  test(`what is still on its way out of the visit before is not freed with the next one's (OPENED was there: ${opened})`, async (t) => {
    const next = new FakeVisit();
    const { visit, outside } = await relayed(next);
    visit.unsent = opened ? 8192 : undefined;
    outside.write(Buffer.alloc(8192, 'a'));
    await until(() => visit.bytesOut === 8192, 'the bytes are through');
    // Turned away, with the bytes still in its connection's write queue.
    visit.handler.onReset(new Error('draining'));
    await until(() => next.handler !== undefined, 'it has moved');
    next.unsent = 0;
    next.handler.onDrain();
    outside.write('more');
    await until(() => next.written.some((chunk) => String(chunk) === 'more'), 'more is through');
    t.is(String(Buffer.concat(visit.written)), 'a'.repeat(8192));
    outside.destroy();
  });
}

test('nothing is kept hold of for a visit whose connection never frees', async (t) => {
  const { visit, outside } = await relayed(new FakeVisit());
  outside.write(Buffer.alloc(8192, 'a'));
  await until(() => visit.bytesOut === 8192, 'the bytes are through');
  visit.unsent = 0;
  visit.handler.onDrain();
  t.is(String(Buffer.concat(visit.written)), 'a'.repeat(8192));
  outside.destroy();
});

test('streams that are no sockets lend nothing, and do not say that they copy', (t) => {
  const [socket, visit] = [new PassThrough(), new FakeVisit()];
  visit.unsent = 0;
  void new Relay({
    socket,
    visit,
    brokenCode: () => 1,
    stalledCode: 17,
    stallWatch: new StallWatch(manualClock().clock, 0),
    onEnd: () => {},
  });
  const chunk = Buffer.from(new ArrayBuffer(8192));
  socket.emit('data', chunk);
  t.is(chunk.length, 8192);
  t.is(visit.handler.unwritten, undefined);
});
