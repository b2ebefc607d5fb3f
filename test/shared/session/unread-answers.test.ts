/** A peer that makes a session answer, and does not read the answers. */
import test from 'ava';
import { DatagramVisit } from '../../../src/shared/session/datagram-visit.ts';
import { encodeFlow } from '../../../src/shared/wire/datagram.ts';
import { encodeFrame, encodePing, encodeReset } from '../../../src/shared/wire/encode.ts';
import { FrameType } from '../../../src/shared/wire/frame.ts';
import { encodeOpen } from '../../../src/shared/wire/messages.ts';
import { until } from '../../helpers/events.ts';
import { INFO, SessionBench } from '../../helpers/session-bench.ts';

/** What one chunk of the largest size may add before reading stops, and what may be unsent before, bytes. */
const BOUND = 128 * 1024;
const CHUNK_BYTES = 64 * 1024;

const PINGS = Buffer.concat(Array<Buffer>(CHUNK_BYTES / 16).fill(encodePing(Buffer.from('12345678'))));

/** Feeds chunks as a socket does, while it is read, 64 at most; returns how many were taken. */
function flood(bench: SessionBench, chunk: (turn: number) => Buffer): number {
  for (let turn = 0; turn < 64; turn += 1) {
    if (bench.socket.isPaused()) return turn;
    bench.socket.feed(chunk(turn));
  }
  return 64;
}

/** OPEN and RESET of so many visits, from this one on. */
function brokenOff(first: number, count = 400): Buffer {
  const both = (visit: number) => [encodeFrame(FrameType.open, visit, encodeOpen(INFO)), encodeReset(visit, 16, '')];
  return Buffer.concat(Array.from({ length: count }, (_, index) => both(first + index)).flat());
}

for (const [role, side] of [
  ['acceptor', 'client'],
  ['acceptor', 'server'],
  ['opener', 'server'],
] as const) {
  test(`a peer of the ${side}, ${role}, that sends PINGs and reads nothing is not read either, until it reads`, async (t) => {
    const bench = new SessionBench(role, side);
    bench.socket.stick();
    const taken = flood(bench, () => PINGS);
    t.true(taken < 64);
    t.true(bench.session.unsent <= BOUND, `${bench.session.unsent} bytes`);
    t.false(bench.session.paused, 'its silence is judged');
    bench.socket.release();
    await until(() => !bench.socket.isPaused(), 'it is read again');
    t.is(bench.written().filter(({ type }) => type === FrameType.pong).length, (taken * CHUNK_BYTES) / 16);
    t.false(bench.session.closed);
  });
}

test('visits that a peer opens and breaks off without reading are not taken without end', async (t) => {
  const bench = new SessionBench('acceptor', 'client');
  bench.socket.stick();
  const taken = flood(bench, (turn) => brokenOff(400 * turn + 1));
  t.true(taken < 64);
  t.true(bench.session.unsent <= BOUND, `${bench.session.unsent} bytes`);
  bench.socket.release();
  await until(() => !bench.socket.isPaused(), 'it is read again');
  bench.socket.feed(encodeFrame(FrameType.open, 400 * taken + 1, encodeOpen(INFO)));
  t.is(bench.session.visit, bench.visit);
  t.is(bench.visit?.number, 400 * taken + 1);
});

test('nor are visits in which much was said to who does not read', (t) => {
  const bench = new SessionBench('acceptor', 'client');
  bench.socket.stick();
  let visits = 0;
  while (visits < 64 && !bench.socket.isPaused()) {
    bench.socket.feed(encodeFrame(FrameType.open, ++visits, encodeOpen(INFO)));
    bench.visit?.accept();
    bench.visit?.write(Buffer.alloc(10_000));
    bench.visit?.end();
    bench.socket.feed(encodeFrame(FrameType.fin, visits));
  }
  t.true(visits < 64);
  t.true(bench.session.unsent <= BOUND, `${bench.session.unsent} bytes`);
});

test('flows that are refused faster than the other side reads of it stop it', async (t) => {
  const bench = new SessionBench('acceptor', 'client', {
    onDatagrams: (visit) => {
      visit.handler = {
        onFlow: (flow) => visit.endFlow(flow),
        onDatagram() {},
        onFlowEnd() {},
        onStray() {},
        onEnd() {},
        onReset() {},
      };
      visit.accept();
    },
  });
  bench.socket.feed(encodeFrame(FrameType.open, 1, encodeOpen({ ...INFO, protocol: 'udp' })));
  t.true(bench.session.visit instanceof DatagramVisit);
  bench.socket.stick();
  let flow = 0;
  let turns = 0;
  while (turns < 64 && !bench.socket.isPaused()) {
    const flows = Array.from({ length: 1000 }, () => encodeFlow({ flow: ++flow, remote: '192.0.2.1:5000' }));
    bench.socket.feed(Buffer.concat(flows.map((payload) => encodeFrame(FrameType.flow, 1, payload))));
    turns += 1;
    await new Promise(setImmediate);
  }
  t.true(turns < 64);
  t.true(bench.session.unsent <= BOUND, `${bench.session.unsent} bytes`);
  bench.socket.release();
  await until(() => !bench.socket.isPaused(), 'it is read again');
  t.is(bench.written().filter(({ type }) => type === FrameType.flowEnd).length, flow);
});

test('no flows are begun without end over a connection whose other side reads nothing', async (t) => {
  const bench = new SessionBench('opener', 'server');
  const visit = bench.session.openDatagrams({ ...INFO, protocol: 'udp' });
  bench.socket.feed(encodeFrame(FrameType.opened, 1));
  bench.socket.stick();
  let begun = 0;
  // As visitors of forged addresses do, each of which displaces another.
  while (begun < 100_000) {
    const flow = visit.openFlow('192.0.2.1:5000');
    if (flow === undefined) break;
    visit.endFlow(flow);
    if (++begun % 1000 === 0) await new Promise(setImmediate);
  }
  t.true(begun > 10_000 && begun < 100_000, `${begun} flows`);
  t.true(bench.session.unsent < 3 * 1024 * 1024);
  bench.socket.release();
  await until(() => visit.unsent === 0, 'the other side has read');
  t.is(visit.openFlow('192.0.2.1:5000'), begun + 1);
});

test('a visit whose receiver is slow goes on in the other direction, and its PINGs are answered', (t) => {
  const bench = new SessionBench('acceptor', 'client');
  bench.socket.feed(encodeFrame(FrameType.open, 1, encodeOpen(INFO)));
  bench.visit?.accept();
  bench.socket.stick();
  bench.visit?.write(Buffer.alloc(1024 * 1024));
  for (let turn = 0; turn < 100; turn += 1) {
    bench.socket.feed(encodeFrame(FrameType.data, 1, Buffer.alloc(10_000)));
    bench.socket.feed(encodePing(Buffer.alloc(8)));
  }
  t.false(bench.socket.isPaused());
  t.is(bench.logs[0]?.bytes, 1_000_000);
});

test('who was stopped for both reasons is read when neither is left', async (t) => {
  for (const first of ['visit', 'answers'] as const) {
    const bench = new SessionBench('acceptor', 'client');
    bench.socket.feed(encodeFrame(FrameType.open, 1, encodeOpen(INFO)));
    bench.visit?.accept();
    bench.socket.stick();
    flood(bench, () => PINGS);
    bench.visit?.pause();
    t.true(bench.session.paused);
    if (first === 'visit') {
      bench.visit?.resume();
      t.true(bench.socket.isPaused(), 'the answers are still there');
      bench.socket.release();
      await until(() => !bench.socket.isPaused(), 'it is read again');
    } else {
      bench.socket.release();
      await new Promise(setImmediate);
      t.is(bench.session.unsent, 0, 'the answers have gone');
      t.true(bench.socket.isPaused(), 'the receiver is still slow');
      bench.visit?.resume();
      t.false(bench.socket.isPaused());
    }
  }
});
