import test from 'ava';
import type { CloseReason } from '../../../src/shared/close-reason.ts';
import { Greeter } from '../../../src/shared/session/greeter.ts';
import { Session } from '../../../src/shared/session/session.ts';
import type { SessionOwner } from '../../../src/shared/session/session-options.ts';
import type { Visit } from '../../../src/shared/session/visit.ts';
import { encodeFrame, encodeReset } from '../../../src/shared/wire/encode.ts';
import { FrameType, HEADER_BYTES, ResetCode } from '../../../src/shared/wire/frame.ts';
import { encodeOpen, type OpenInfo } from '../../../src/shared/wire/messages.ts';
import { manualClock } from '../../helpers/clock.ts';
import { DatagramLog } from '../../helpers/datagram-log.ts';
import { until } from '../../helpers/events.ts';
import type { FedSocket } from '../../helpers/fed-socket.ts';
import { later } from '../../helpers/later.ts';
import { SessionBench } from '../../helpers/session-bench.ts';
import { clientGreeting, serverGreeting, sessionPair, wire } from '../../helpers/session-pair.ts';
import { VisitLog } from '../../helpers/visit-log.ts';

const INFO: OpenInfo = { protocol: 'tcp', tunnel: 'default', remote: '192.0.2.1:5000', local: '127.0.0.1:80' };

/** A pair whose client accepts every visit; `visits` are the client's ends, in order. */
async function servingPair(options: { slice?: number; server?: SessionOwner; accept?: boolean } = {}) {
  const visits: { visit: Visit; log: VisitLog }[] = [];
  const faults: string[] = [];
  const ends: CloseReason[] = [];
  const note = {
    onFault: (error: Error) => void faults.push(error.message),
    onEnd: (_: unknown, reason: CloseReason) => void ends.push(reason),
  };
  const pair = await sessionPair({
    ...(options.slice === undefined ? {} : { slice: options.slice }),
    server: { ...note, ...options.server },
    client: {
      ...note,
      onVisit: (visit) => {
        visits.push({ visit, log: new VisitLog(visit) });
        if (options.accept !== false) visit.accept();
      },
    },
  });
  const open = (): { visit: Visit; log: VisitLog } => {
    const visit = pair.server.open(INFO);
    return { visit, log: new VisitLog(visit) };
  };
  const theirs = async (number: number): Promise<{ visit: Visit; log: VisitLog }> => {
    await until(() => visits.length >= number, `visit ${number} has arrived`);
    return visits[number - 1] as { visit: Visit; log: VisitLog };
  };
  return { ...pair, open, theirs, visits, faults, closes: ends };
}

for (const slice of [Infinity, 1, 7]) {
  test(`visits follow each other on one connection, each with its own bytes (pieces of ${slice})`, async (t) => {
    const { server, client, open, theirs } = await servingPair({ slice });
    for (const number of [1, 2, 3]) {
      const here = open();
      t.is(here.visit.number, number);
      const there = await theirs(number);
      t.deepEqual(there.visit.info, INFO);
      here.visit.write(Buffer.from(`question ${number}`));
      here.visit.end();
      await until(() => there.log.heard.includes('end'), 'the question has ended');
      there.visit.write(Buffer.from(`late answer ${number}`));
      there.visit.end();
      await until(() => here.log.done && there.log.done, 'both have let go');
      t.deepEqual(there.log.heard, [`data question ${number}`, 'end']);
      t.deepEqual(here.log.heard, ['opened', `data late answer ${number}`, 'end']);
      t.deepEqual([server.refusal(), client.refusal()], [undefined, undefined]);
      t.deepEqual([here.visit.bytesOut, here.visit.bytesIn], [10, 13]);
    }
  });
}

test('a reset from either side ends the visit at the other, and the next visit sees nothing of it', async (t) => {
  const pair = await servingPair();
  const first = pair.open();
  const theirFirst = await pair.theirs(1);
  first.visit.write(Buffer.from('never to be seen by the next'));
  first.visit.reset(ResetCode.visitorLeft);
  await until(() => first.log.done && theirFirst.log.done, 'the first is over');
  t.is(theirFirst.log.resetCode, ResetCode.visitorLeft);
  t.is(first.log.resetCode, undefined, 'who resets is not told');
  const second = pair.open();
  const theirSecond = await pair.theirs(2);
  theirSecond.visit.write(Buffer.from('half a'));
  theirSecond.visit.reset(ResetCode.targetReset, 'gone');
  await until(() => second.log.done && theirSecond.log.done, 'the second is over');
  t.is(second.log.resetCode, ResetCode.targetReset);
  t.deepEqual(theirSecond.log.heard, []);
  const third = pair.open();
  third.visit.write(Buffer.from('third'));
  const theirThird = await pair.theirs(3);
  await until(() => theirThird.log.heard.length > 0, 'the third is heard');
  t.deepEqual(theirThird.log.heard, ['data third']);
  t.deepEqual(pair.faults, []);
});

test('a reset that is half read when its visit ends does not reach the next visit', async (t) => {
  const pair = await servingPair({ accept: false });
  const first = pair.open();
  const theirFirst = await pair.theirs(1);
  theirFirst.visit.accept();
  theirFirst.visit.end();
  const reset = encodeReset(1, ResetCode.targetReset, '');
  await new Promise((written) => pair.ends[1].write(reset.subarray(0, HEADER_BYTES + 1), written));
  await until(() => first.log.heard.includes('end'), 'the first half is read');
  first.visit.end();
  await until(() => first.log.done && theirFirst.log.done, 'the first visit is over');
  const second = pair.open();
  pair.ends[1].write(reset.subarray(HEADER_BYTES + 1));
  const theirSecond = await pair.theirs(2);
  theirSecond.visit.accept();
  theirSecond.visit.end();
  await until(() => second.log.heard.includes('end'), 'the second visit goes on');
  t.deepEqual(second.log.heard, ['opened', 'end']);
  t.deepEqual(pair.faults, []);
});

test('resets that cross, and one after an end, leave both sides idle', async (t) => {
  const pair = await servingPair();
  const one = pair.open();
  const theirOne = await pair.theirs(1);
  one.visit.reset(ResetCode.visitorLeft);
  theirOne.visit.reset(ResetCode.targetReset);
  await until(() => one.log.done && theirOne.log.done, 'both are idle');
  const two = pair.open();
  const theirTwo = await pair.theirs(2);
  two.visit.end();
  await until(() => theirTwo.log.heard.includes('end'), 'the end is heard');
  theirTwo.visit.reset(ResetCode.targetReset);
  await until(() => two.log.done && theirTwo.log.done, 'both are idle again');
  t.is(two.log.resetCode, ResetCode.targetReset);
  t.deepEqual(pair.faults, []);
});

test('what is sent before OPENED is held back beyond 64 KiB, and arrives whole afterwards', async (t) => {
  const pair = await servingPair({ accept: false });
  const { visit, log } = pair.open();
  const there = await pair.theirs(1);
  t.true(visit.write(Buffer.alloc(1000, 'a')));
  t.false(visit.write(Buffer.alloc(200_000, 'b')));
  visit.end();
  await until(() => there.log.bytes === 65_536, 'the first 64 KiB are there');
  t.false(there.log.heard.includes('end'));
  there.visit.accept();
  await until(() => there.log.heard.includes('end'), 'the rest is there');
  t.is(there.log.bytes, 201_000);
  t.deepEqual(log.heard, ['opened']);
});

test('a visit that is turned away gives back what it wanted to send', async (t) => {
  const pair = await servingPair({ accept: false });
  const { visit, log } = pair.open();
  visit.write(Buffer.alloc(1000, 'a'));
  visit.write(Buffer.alloc(100_000, 'b'));
  visit.end();
  let taken: ReturnType<Visit['takeBack']> | undefined;
  log.onReset = () => (taken = visit.takeBack());
  const there = await pair.theirs(1);
  there.visit.reset(ResetCode.targetRefused);
  await until(() => log.done, 'the visit is over');
  t.is(Buffer.concat(taken?.chunks ?? []).length, 101_000);
  t.true(taken?.ended);
});

test('a visit that was turned away is not told to write on when its first bytes have left', async (t) => {
  const pair = await servingPair({ accept: false });
  const { visit, log } = pair.open();
  await pair.theirs(1);
  pair.ends[1].pause();
  t.false(visit.write(Buffer.alloc(40_000)));
  pair.ends[1].write(encodeReset(1, ResetCode.targetRefused, ''));
  await until(() => log.resetCode === ResetCode.targetRefused, 'the visit is turned away');
  t.false(log.done);
  pair.ends[1].resume();
  await until(() => log.done, 'all has left');
  t.is(log.drains, 0);
  t.is(pair.server.refusal(), undefined);
});

test('an opener that sent much is not idle before the other side has read it all', async (t) => {
  const pair = await servingPair();
  const { visit, log } = pair.open();
  const there = await pair.theirs(1);
  await until(() => log.heard.includes('opened'), 'it is open');
  there.visit.pause();
  visit.write(Buffer.alloc(100_000));
  visit.end();
  there.visit.end();
  await until(() => log.heard.includes('end'), 'the other side has ended');
  t.is(pair.server.refusal(), 'unfinished');
  t.false(log.done);
  there.visit.resume();
  await until(() => log.done, 'all is read');
  t.is(there.log.bytes, 100_000);
  t.is(pair.server.refusal(), undefined);
});

for (const [name, last] of [
  ['FIN', encodeFrame(FrameType.fin, 1)],
  ['RESET', encodeReset(1, ResetCode.targetReset, '')],
] as const) {
  test(`a ${name} right behind bytes that block the receiver lets the connection be read again`, async (t) => {
    const pair = await servingPair();
    const { visit, log } = pair.open();
    const there = await pair.theirs(1);
    visit.write(Buffer.alloc(100_000));
    await until(() => there.log.bytes === 100_000, 'the question is read');
    log.onData = () => visit.pause();
    log.onEnd = () => visit.end();
    pair.ends[1].write(Buffer.concat([encodeFrame(FrameType.data, 1, Buffer.from('an answer')), last]));
    // Behind its last frame stands a PING, whose answer must be heard.
    await until(() => log.done, 'the visit is over');
    t.false(pair.server.paused);
  });
}

test('a visit that was reset is given up when the other side goes on for 5 seconds', async (t) => {
  const pair = await servingPair();
  const { visit } = pair.open();
  await pair.theirs(1);
  pair.ends[1].pause();
  visit.reset(ResetCode.visitorLeft);
  await pair.time.advance(4999);
  t.false(pair.server.closed);
  await pair.time.advance(1);
  t.deepEqual(pair.closes[0], 'stalled');
});

test('case 28: a visit that was reset is given up when the other side goes on for a megabyte', async (t) => {
  const pair = await servingPair();
  const { visit } = pair.open();
  await pair.theirs(1);
  pair.ends[1].pause();
  visit.reset(ResetCode.visitorLeft);
  const frame = encodeFrame(FrameType.data, 1, Buffer.alloc(200_000));
  for (let sent = 0; sent < 5; sent += 1) pair.ends[1].write(frame);
  await until(() => pair.ends[1].writableLength === 0, 'a megabyte less 48,576 bytes is read past');
  t.false(pair.server.closed);
  pair.ends[1].write(frame);
  await until(() => pair.server.closed, 'the session has closed');
  // Behind a slow visitor who leaves so much may be on its way: nobody has done wrong.
  t.deepEqual([pair.closes[0], pair.faults], ['unread', []]);
});

for (const [end, leave] of [
  ['reset', (socket: FedSocket) => socket.destroy(new Error('read ECONNRESET'))],
  ['closed', (socket: FedSocket) => socket.destroy()],
] as const) {
  test(`case 28: a connection that is ${end} by who has just given its visit up has ended for that`, async (t) => {
    const reasons = async (last: Buffer): Promise<unknown> => {
      const bench = new SessionBench('acceptor', 'client');
      bench.socket.feed(encodeFrame(FrameType.open, 1, encodeOpen(INFO)));
      bench.visit?.accept();
      bench.socket.stick();
      bench.visit?.write(Buffer.alloc(2_000_000));
      bench.visit?.end();
      bench.socket.feed(last);
      leave(bench.socket);
      await until(() => bench.session.closed, 'the session has closed');
      return [bench.ends[0], bench.faults.length];
    };
    t.deepEqual(await reasons(encodeReset(1, ResetCode.visitorLeft)), ['unread', 0]);
    const lost = end === 'reset' ? ['error', 1] : ['peer-closed', 0];
    t.deepEqual(await reasons(encodeFrame(FrameType.fin, 1)), lost);
  });
}

test('a visit that was abandoned says nothing of a connection that breaks later', async (t) => {
  const bench = new SessionBench('acceptor', 'client');
  bench.socket.feed(encodeFrame(FrameType.open, 1, encodeOpen(INFO)));
  bench.socket.feed(encodeReset(1, ResetCode.visitorLeft));
  await until(() => bench.session.visit === undefined, 'the visit is over');
  bench.socket.destroy();
  await until(() => bench.session.closed, 'the session has closed');
  t.deepEqual(bench.ends, ['peer-closed']);
});

test('a side that goes on for a megabyte with a visit that both have ended breaks the protocol', async (t) => {
  const pair = await servingPair();
  const { visit } = pair.open();
  const there = await pair.theirs(1);
  there.visit.reset(ResetCode.targetReset);
  await until(() => visit.over, 'both have ended it');
  const frame = encodeFrame(FrameType.data, 1, Buffer.alloc(200_000));
  for (let sent = 0; sent < 6; sent += 1) pair.ends[1].write(frame);
  await until(() => pair.server.closed, 'the session has closed');
  t.is(pair.closes[0], 'protocol-error');
  t.regex(pair.faults[0] ?? '', /visit 1, which is over/);
});

const HOSTILE: readonly {
  readonly title: string;
  readonly to: 'server' | 'client';
  readonly frames: readonly Buffer[];
}[] = [
  {
    title: 'an OPEN to the side that opens',
    to: 'server',
    frames: [encodeFrame(FrameType.open, 1, Buffer.from('{}'))],
  },
  { title: 'a frame of a visit to come', to: 'server', frames: [encodeFrame(FrameType.data, 5, Buffer.from('x'))] },
  { title: 'a DEMAND to the server', to: 'server', frames: [encodeFrame(FrameType.demand, 0, Buffer.alloc(4))] },
  { title: 'a HELLO after the greeting', to: 'server', frames: [encodeFrame(FrameType.hello, 0, Buffer.alloc(64))] },
  { title: 'a PING in a visit', to: 'server', frames: [encodeFrame(FrameType.ping, 1, Buffer.alloc(8))] },
  { title: 'a PING of 9 bytes', to: 'server', frames: [encodeFrame(FrameType.ping, 0, Buffer.alloc(9))] },
  { title: 'a DRAIN with a payload', to: 'client', frames: [encodeFrame(FrameType.drain, 0, Buffer.alloc(1))] },
  { title: 'an OPEN out of count', to: 'client', frames: [encodeFrame(FrameType.open, 2, Buffer.from('{}'))] },
  { title: 'an OPEN that cannot be read', to: 'client', frames: [encodeFrame(FrameType.open, 1, Buffer.from('{}'))] },
  { title: 'an unknown type below 0x80', to: 'client', frames: [Buffer.from('7f00000000000000', 'hex')] },
  { title: 'a frame that claims too much', to: 'client', frames: [Buffer.from('12ffffff00000001', 'hex')] },
];

for (const { title, to, frames } of HOSTILE) {
  test(`case 12: a protocol error on an idle session closes it and is told once: ${title}`, async (t) => {
    const pair = await servingPair();
    const [victim, end] = to === 'server' ? [pair.server, pair.ends[1]] : [pair.client, pair.ends[0]];
    for (const frame of frames) end.write(frame);
    await until(() => victim.closed, 'the session has closed');
    t.is(pair.closes[0], 'protocol-error');
    t.is(pair.faults.length, 1);
  });
}

test('a protocol error in one chunk with the end of the greeting closes the session, and is told', async (t) => {
  const [near, far] = wire();
  const greeting = await serverGreeting();
  const faults: string[] = [];
  const ends: CloseReason[] = [];
  const { clock } = manualClock();
  const owner: SessionOwner = {
    onFault: (error) => void faults.push(error.message),
    onEnd: (_, reason) => void ends.push(reason),
  };
  new Greeter(far, await clientGreeting(), {
    onGreeted: (greeted, decoder) =>
      void new Session({ id: 'a', socket: far, decoder, greeted, side: 'client', remote: 'test', clock, owner }),
    onGreetingFailed: (error) => t.fail(error.message),
  }).start();
  near.on('data', (hello: Buffer) => {
    const { reply } = greeting.receive(FrameType.hello, hello.subarray(HEADER_BYTES));
    near.write(Buffer.concat([reply ?? Buffer.alloc(0), encodeFrame(FrameType.open, 7, Buffer.from('{}'))]));
  });
  near.write(greeting.start() ?? '');
  await until(() => ends.length > 0, 'the session has closed');
  t.deepEqual(ends, ['protocol-error']);
  t.regex(faults[0] ?? '', /open of visit 7/);
});

test('data after the end of a visit’s direction is a protocol error, and the visit is reset once', async (t) => {
  const pair = await servingPair();
  const { log } = pair.open();
  const there = await pair.theirs(1);
  there.visit.end();
  pair.ends[1].write(encodeFrame(FrameType.data, 1, Buffer.from('more')));
  await until(() => pair.server.closed, 'the session has closed');
  t.deepEqual(log.heard, ['opened', 'end', `reset ${ResetCode.internal}`]);
  t.true(log.done);
});

test('more than 64 KiB before OPENED is a protocol error', async (t) => {
  const pair = await servingPair({ accept: false });
  pair.open();
  await pair.theirs(1);
  const frame = encodeFrame(FrameType.data, 1, Buffer.alloc(40_000));
  pair.ends[0].write(frame);
  pair.ends[0].write(frame);
  await until(() => pair.client.closed, 'the session has closed');
  t.regex(pair.faults[0] ?? '', /64 KiB/);
});

test('types from 0x80 up are read past in every state, whatever they carry', async (t) => {
  const pair = await servingPair();
  const unknown = Buffer.concat([Buffer.from('8000000500000000', 'hex'), Buffer.from('hello')]);
  pair.ends[1].write(unknown);
  const { log } = pair.open();
  const there = await pair.theirs(1);
  pair.ends[1].write(unknown);
  there.visit.write(Buffer.from('data'));
  await until(() => log.heard.includes('data data'), 'the data is heard');
  t.deepEqual(pair.faults, []);
});

test('PING is answered behind what came before it', async (t) => {
  const pair = await servingPair();
  pair.server.ping();
  await pair.time.advance(50);
  const before = pair.server.lastHeardAt;
  pair.server.ping();
  await until(() => pair.server.lastHeardAt > before, 'the answer has come');
  t.is(pair.server.lastHeardAt, 50);
});

test('a visit that nobody serves, or of another protocol, is turned away', async (t) => {
  const lonely = await sessionPair();
  const log = new VisitLog(lonely.server.open(INFO));
  await until(() => log.done, 'it is over');
  t.is(log.resetCode, ResetCode.targetNotFound);
  const pair = await servingPair();
  const udp = new DatagramLog(pair.server.openDatagrams({ ...INFO, protocol: 'udp' }));
  await until(() => udp.done, 'it is over');
  t.is(udp.resetCode, ResetCode.targetNotFound);
  t.is(pair.visits.length, 0);
});

test('only the opener opens, and one visit at a time', async (t) => {
  const pair = await servingPair();
  t.throws(() => pair.client.open(INFO), { code: 'POOLD_ERR_PROTOCOL' });
  pair.open();
  t.throws(() => pair.server.open(INFO), { code: 'POOLD_ERR_PROTOCOL' });
});

test('a retiring acceptor answers an OPEN that crosses its DRAIN, and goes when the opener has heard', async (t) => {
  const pair = await servingPair();
  pair.ends[0].pause();
  pair.client.retire('idle-timeout');
  t.is(pair.client.refusal(), 'draining');
  const { log } = pair.open();
  pair.ends[0].resume();
  await until(() => log.done, 'the visit was turned away');
  t.is(log.resetCode, ResetCode.draining);
  t.is(pair.visits.length, 0);
  await until(() => pair.client.closed && pair.server.closed, 'both have closed');
  t.deepEqual(pair.closes.toSorted(), ['drained', 'idle-timeout']);
});

test('a retiring acceptor whose opener does not hear goes after a second', async (t) => {
  const pair = await servingPair();
  pair.ends[0].pause();
  pair.client.retire('max-lifetime');
  await pair.time.advance(999);
  t.false(pair.client.closed);
  await pair.time.advance(1);
  t.deepEqual(pair.closes, ['max-lifetime']);
});

test('a session that retires in a visit lets it end, and both sides close behind it', async (t) => {
  const pair = await servingPair();
  const here = pair.open();
  const there = await pair.theirs(1);
  pair.client.retire('pool-closed');
  here.visit.write(Buffer.from('still here'));
  here.visit.end();
  await until(() => there.log.heard.includes('end'), 'the visit goes on');
  there.visit.end();
  await until(() => pair.server.closed && pair.client.closed, 'both have closed');
  t.deepEqual(there.log.heard, ['data still here', 'end']);
  t.is(here.log.resetCode, undefined);
});

test('an opener that retires just closes', async (t) => {
  const pair = await servingPair();
  pair.server.retire('cleaned');
  t.true(pair.server.closed);
  await until(() => pair.client.closed, 'the other side has heard');
  t.deepEqual(pair.closes, ['cleaned', 'peer-closed']);
});

test('a session that retires in the hands of a holder, between two visits, stays as it is', async (t) => {
  const pair = await servingPair();
  pair.server.retire('flushed', true);
  pair.client.retire('flushed', true);
  const here = pair.open();
  here.visit.end();
  const there = await pair.theirs(1);
  there.visit.end();
  await until(() => here.log.done && there.log.done, 'the visit is over');
  t.deepEqual([pair.server.closed, pair.client.closed], [false, false]);
  pair.server.retire('flushed');
  t.deepEqual(pair.closes, ['flushed']);
});

test('a connection that is lost resets its visit once, at both ends', async (t) => {
  const pair = await servingPair();
  const here = pair.open();
  const there = await pair.theirs(1);
  pair.ends[0].destroy();
  await until(() => here.log.done && there.log.done, 'both ends know');
  t.is(here.log.resetCode, ResetCode.internal);
  t.is(there.log.resetCode, ResetCode.internal);
  here.visit.write(Buffer.from('into nothing'));
  here.visit.end();
  here.visit.reset(ResetCode.internal);
  t.true(here.visit.over);
});

test('the owner and the pool hear the end before the visit, which ends also when its listener throws', async (t) => {
  const order: string[] = [];
  const pair = await sessionPair({ server: { onEnd: () => void order.push('owner') }, client: { onVisit: () => {} } });
  pair.server.onClose(() => void order.push('pool'));
  const visit = pair.server.open(INFO);
  const log = new VisitLog(visit);
  log.onReset = () => {
    order.push('visit');
    throw new Error('a bug of the listener');
  };
  const thrown = later(() => pair.server.close('flushed'));
  t.deepEqual(order, ['owner', 'pool', 'visit']);
  t.true(log.done);
  t.deepEqual(
    thrown.map((error) => (error as Error).message),
    ['a bug of the listener'],
  );
});

test('what a listener throws closes the session, and leaves nobody else', async (t) => {
  const faults: Error[] = [];
  const pair = await sessionPair({
    client: {
      onVisit: () => {
        throw new Error('a bug of the listener');
      },
      onFault: (error) => void faults.push(error),
    },
  });
  const log = new VisitLog(pair.server.open(INFO));
  await until(() => log.done, 'the visit is over');
  t.is(faults[0]?.message, 'a bug of the listener');
  t.true(pair.client.closed);
});

test('DEMAND reaches the client’s owner', async (t) => {
  const asked: number[] = [];
  const pair = await sessionPair({ client: { onDemand: (count) => void asked.push(count) } });
  pair.server.demand(17);
  await until(() => asked.length > 0, 'it is heard');
  t.deepEqual(asked, [17]);
});

test('a closing session still sends the end of a finished visit', async (t) => {
  const pair = await servingPair();
  const here = pair.open();
  const there = await pair.theirs(1);
  here.visit.end();
  await until(() => there.log.heard.includes('end'), 'the question has ended');
  there.visit.write(Buffer.alloc(300_000));
  there.visit.end();
  pair.client.close('pool-closed');
  await until(() => here.log.heard.includes('end'), 'the answer has ended');
  t.is(here.log.bytes, 300_000);
});

for (const side of ['client', 'server'] as const) {
  test(`the tail of an answer outlasts the goodbye of the ${side}`, async (t) => {
    const pair = await servingPair();
    const here = pair.open();
    const there = await pair.theirs(1);
    here.visit.end();
    await until(() => there.log.heard.includes('end'), 'the question has ended');
    pair.ends[0].pause();
    there.visit.write(Buffer.alloc(600_000));
    there.visit.end();
    pair[side].retire('max-lifetime');
    await pair.time.advance(10_000);
    t.is(pair.client.refusal(), 'unfinished');
    t.false(there.log.done);
    pair.ends[0].resume();
    await until(() => here.log.heard.includes('end'), 'the answer has ended');
    t.is(here.log.bytes, 600_000);
    await until(() => pair.server.closed && pair.client.closed, 'both have closed');
    t.deepEqual(pair.faults, []);
  });
}

test('a visit may follow before the other side knows that its last frame has left', async (t) => {
  const pair = await servingPair();
  const first = pair.open();
  const theirFirst = await pair.theirs(1);
  let second: ReturnType<typeof pair.open> | undefined;
  first.visit.onDone = () => (second = pair.open());
  first.visit.end();
  await until(() => theirFirst.log.heard.includes('end'), 'the question has ended');
  theirFirst.visit.end();
  const theirSecond = await pair.theirs(2);
  t.true(theirFirst.log.done);
  second?.visit.end();
  theirSecond.visit.end();
  await until(() => second?.log.done === true && theirSecond.log.done, 'the second is over');
  t.deepEqual(pair.faults, []);
});

test('a visit ends also when an answer to PING stands behind its last frame', async (t) => {
  const pair = await servingPair();
  const { visit, log } = pair.open();
  const there = await pair.theirs(1);
  there.visit.end();
  await until(() => log.heard.includes('end'), 'the other side has ended');
  // The way out is blocked, so that frames queue up behind each other.
  pair.ends[1].pause();
  visit.write(Buffer.alloc(40_000));
  visit.end();
  pair.client.ping();
  pair.client.ping();
  pair.ends[1].resume();
  await until(() => log.done, 'the visit is over');
  t.is(pair.server.refusal(), undefined);
});
