import test from 'ava';
import type { RelayHandler } from '../../../src/shared/relay/relay.ts';
import type { Visit } from '../../../src/shared/session/visit.ts';
import { BandwidthGate } from '../../../src/shared/tunnel/bandwidth-gate.ts';
import { ThrottledVisit } from '../../../src/shared/tunnel/throttled-visit.ts';
import { manualClock } from '../../helpers/clock.ts';

/** 1000 bytes a second pass as 4096 every 4.1 s, a burst of 64 KiB before them. */
const RATE = 1000;
const BURST = 64 * 1024;

/** A visit without a session; `told` is what it and its relay hear, in order. */
class FakeVisit {
  handler!: RelayHandler;
  bytesIn = 0;
  bytesOut = 0;
  unsent: number | undefined = 0;
  full = false;
  readonly told: string[];

  constructor(told: string[]) {
    this.told = told;
  }
  write({ length }: Buffer): boolean {
    this.bytesOut += length;
    this.told.push(`write ${length}`);
    return !this.full;
  }
  takeBack() {
    return { chunks: [Buffer.from('sent')] };
  }
  end = () => void this.told.push('end');
  reset = (code: number) => void this.told.push(`reset ${code}`);
  pause = () => void this.told.push('pause');
  resume = () => void this.told.push('resume');
}

function startThrottled() {
  const time = manualClock();
  const told: string[] = [];
  const visit = new FakeVisit(told);
  const gates = [new BandwidthGate(RATE, time.clock), new BandwidthGate(RATE, time.clock)] as const;
  const throttled = new ThrottledVisit(visit as unknown as Visit, ...gates);
  const handler = {
    unwritten: 0 as number | undefined,
    onOpened: () => told.push('onOpened'),
    onData: ({ length }: Buffer) => told.push(`onData ${length}`),
    onEnd: () => told.push('onEnd'),
    onReset: ({ message }: Error) => told.push(`onReset ${message}`),
    onDrain: () => told.push('onDrain'),
  };
  throttled.handler = handler;
  /** What was told since the last time. */
  const news = (): string[] => told.splice(0);
  return { time, visit, throttled, handler, gates, news };
}

test('what the burst takes goes straight through, in both directions', (t) => {
  const { visit, throttled, time, news } = startThrottled();
  t.true(throttled.write(Buffer.alloc(BURST)));
  visit.handler.onOpened();
  visit.handler.onData(Buffer.alloc(BURST));
  throttled.end();
  visit.handler.onEnd();
  t.deepEqual(news(), [`write ${BURST}`, 'onOpened', `onData ${BURST}`, 'end', 'onEnd']);
  t.deepEqual([throttled.throttled, time.timers], [false, 0]);
});

test('out: what is too much waits and counts, then passes in pieces, and only then more is asked for', async (t) => {
  const { throttled, time, news } = startThrottled();
  throttled.write(Buffer.alloc(BURST));
  t.false(throttled.write(Buffer.alloc(5000)));
  throttled.end();
  t.deepEqual([throttled.bytesOut, throttled.unsent, throttled.throttled], [BURST + 5000, 5000, true]);
  t.deepEqual(news(), [`write ${BURST}`]);
  await time.advance(4096);
  t.deepEqual([news(), throttled.bytesOut, throttled.unsent], [['write 4096'], BURST + 5000, 904]);
  await time.advance(904);
  // The end stands behind the last byte.
  t.deepEqual([news(), throttled.unsent, throttled.throttled, time.timers], [['write 904', 'end'], 0, false, 0]);
});

test('out: after a wait more is asked for once both the limit and the visit have room', async (t) => {
  const { visit, throttled, time, news } = startThrottled();
  throttled.write(Buffer.alloc(BURST));
  throttled.write(Buffer.alloc(1000));
  await time.advance(1000);
  t.deepEqual(news().slice(1), ['write 1000', 'onDrain']);
  visit.full = true;
  t.false(throttled.write(Buffer.alloc(1000)));
  await time.advance(1000);
  t.deepEqual(news(), ['write 1000']);
  visit.handler.onDrain();
  t.deepEqual(news(), ['onDrain']);
  visit.full = false;
  throttled.write(Buffer.alloc(1000));
  // A drain of what was sent before says nothing about what waits.
  visit.handler.onDrain();
  t.deepEqual(news(), []);
  await time.advance(1000);
  t.deepEqual(news(), ['write 1000', 'onDrain']);
});

test('in: nothing is read while something waits, and the end stands behind it', async (t) => {
  const { visit, throttled, handler, time, news } = startThrottled();
  visit.handler.onData(Buffer.alloc(BURST));
  visit.handler.onData(Buffer.alloc(1000));
  t.deepEqual(news(), [`onData ${BURST}`, 'pause']);
  // What one read brought may be several pieces.
  visit.handler.onData(Buffer.alloc(1000));
  t.deepEqual([visit.handler.unwritten, throttled.throttled], [2000, true]);
  handler.unwritten = 500;
  t.is(visit.handler.unwritten, 2500);
  handler.unwritten = undefined;
  t.is(visit.handler.unwritten, undefined);
  // The relay's own wish to read does not count yet.
  throttled.resume();
  t.deepEqual(news(), ['pause']);
  await time.advance(2000);
  t.deepEqual(news(), ['onData 1000', 'onData 1000', 'resume']);
  visit.handler.onData(Buffer.alloc(1000));
  visit.handler.onEnd();
  t.deepEqual(news(), ['pause']);
  // Behind the end the connection may have its next visit: it is stopped no more.
  throttled.pause();
  await time.advance(1000);
  t.deepEqual(news(), ['onData 1000', 'onEnd']);
});

test('in: a relay that is slow is not read for when its turn is over', async (t) => {
  const { visit, throttled, time, news } = startThrottled();
  visit.handler.onData(Buffer.alloc(BURST));
  visit.handler.onData(Buffer.alloc(1000));
  throttled.pause();
  news();
  await time.advance(1000);
  t.deepEqual(news(), ['onData 1000']);
  throttled.resume();
  t.deepEqual(news(), ['resume']);
});

for (const who of ['this side', 'the other side'] as const) {
  test(`a reset by ${who} takes what waits with it, and leaves the others their turn`, async (t) => {
    const { visit, throttled, gates, time, news } = startThrottled();
    throttled.write(Buffer.alloc(BURST));
    throttled.write(Buffer.alloc(1000));
    visit.handler.onData(Buffer.alloc(BURST));
    visit.handler.onData(Buffer.alloc(1000));
    visit.handler.onEnd();
    news();
    if (who === 'this side') throttled.reset(19);
    else visit.handler.onReset(new Error('gone'));
    t.deepEqual(news(), [who === 'this side' ? 'reset 19' : 'onReset gone']);
    t.deepEqual([throttled.throttled, time.timers], [false, 0]);
    await time.advance(1000);
    t.deepEqual(news(), []);
    t.true(gates.every((gate) => gate.tryPass(1000)));
  });
}

test('a visit that was turned away gives back what waits, too, behind what was sent', (t) => {
  const { visit, throttled, handler, time } = startThrottled();
  throttled.write(Buffer.alloc(BURST));
  throttled.write(Buffer.from('waits'));
  let taken = '';
  handler.onReset = () => {
    taken = String(Buffer.concat(throttled.takeBack().chunks));
    return 0;
  };
  visit.handler.onReset(new Error('draining'));
  t.deepEqual([taken, time.timers], ['sentwaits', 0]);
});

test('without a limit in one direction, that one is the visit itself', (t) => {
  const time = manualClock();
  const told: string[] = [];
  const visit = new FakeVisit(told);
  const throttled = new ThrottledVisit(visit as unknown as Visit, undefined, undefined);
  const onData = ({ length }: Buffer) => told.push(`onData ${length}`);
  throttled.handler = { onData, onEnd: () => told.push('onEnd') } as unknown as RelayHandler;
  visit.full = true;
  t.false(throttled.write(Buffer.alloc(2 * BURST)));
  visit.handler.onData(Buffer.alloc(2 * BURST));
  visit.handler.onEnd();
  throttled.end();
  t.deepEqual(told, [`write ${2 * BURST}`, `onData ${2 * BURST}`, 'onEnd', 'end']);
  t.deepEqual([throttled.bytesOut, throttled.unsent, time.timers], [2 * BURST, 0, 0]);
});
