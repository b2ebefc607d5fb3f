import { Socket } from 'node:net';
import { PassThrough, type Duplex } from 'node:stream';
import test from 'ava';
import { Session } from '../../../src/shared/session/session.ts';
import type { Visit, VisitHandler } from '../../../src/shared/session/visit.ts';
import { FrameDecoder } from '../../../src/shared/wire/decode.ts';
import { encodeFrame, encodeHeader, encodePing } from '../../../src/shared/wire/encode.ts';
import { FrameType } from '../../../src/shared/wire/frame.ts';
import { encodeOpen } from '../../../src/shared/wire/messages.ts';
import { manualClock } from '../../helpers/clock.ts';
import { CLIENT, SETTINGS } from '../../helpers/session-pair.ts';
import { giveTransfer } from '../../helpers/transfer.ts';

giveTransfer();

const INFO = { protocol: 'tcp', tunnel: 'default', remote: '192.0.2.1:5000', local: '127.0.0.1:80' } as const;

/** A chunk as a socket reads it: in memory of its own. */
function read(...parts: Buffer[]): Buffer {
  const all = Buffer.concat(parts);
  const chunk = Buffer.from(new ArrayBuffer(all.length));
  all.copy(chunk);
  return chunk;
}
const data = (visit: number, bytes = 8000): Buffer =>
  Buffer.concat([encodeHeader(FrameType.data, visit, bytes), Buffer.alloc(bytes, 'a')]);

function session(socket: Duplex, handler: Partial<VisitHandler>) {
  const visits: Visit[] = [];
  const faults: string[] = [];
  const decoder = new FrameDecoder({ onHeader() {}, onPayload() {} });
  void new Session({
    id: 'tag45678',
    socket,
    decoder,
    side: 'client',
    remote: 'test',
    clock: manualClock().clock,
    greeted: { role: 'acceptor', settings: SETTINGS, tunnel: 'default', client: CLIENT, agent: 'test' },
    owner: {
      onVisit: (visit) => {
        visits.push(visit);
        visit.handler = { onOpened() {}, onData() {}, onEnd() {}, onReset() {}, onDrain() {}, ...handler };
        visit.accept();
      },
      onFault: (error) => void faults.push(error.message),
    },
  });
  socket.emit('data', read(encodeFrame(FrameType.open, 1, encodeOpen(INFO))));
  return { visits, faults };
}

/** A socket that goes nowhere. */
function nowhere(): { socket: Socket; sent: Buffer[] } {
  const socket = new Socket();
  const sent: Buffer[] = [];
  socket._write = (chunk: Buffer, _encoding, done) => {
    sent.push(Buffer.from(chunk));
    done();
  };
  socket._writev = null as never;
  return { socket, sent };
}

test('a chunk of DATA is freed when all of it is written', (t) => {
  const { socket } = nowhere();
  session(socket, { unwritten: 0 });
  const chunk = read(data(1));
  socket.emit('data', chunk);
  t.is(chunk.length, 0);
});

test('a chunk that was read by no socket is left alone', (t) => {
  const stream = new PassThrough();
  session(stream, { unwritten: 0 });
  const chunk = read(data(1));
  stream.emit('data', chunk);
  t.is(chunk.length, 8008);
});

test('a handler that keeps its pieces has them', (t) => {
  const { socket } = nowhere();
  const { visits } = session(socket, {});
  const chunk = read(data(1));
  socket.emit('data', chunk);
  (visits[0] as Visit).handler = { onOpened() {}, onData() {}, onEnd() {}, onReset() {}, onDrain() {}, unwritten: 0 };
  socket.emit('data', read(data(1)));
  t.is(chunk.length, 8008);
});

test('a control frame that is cut in two keeps its first part', (t) => {
  const { socket, sent } = nowhere();
  const { faults } = session(socket, { unwritten: 0 });
  const ping = encodePing(Buffer.from('12345678'));
  socket.emit('data', read(data(1), ping.subarray(0, 12)));
  socket.emit('data', read(ping.subarray(12)));
  t.deepEqual(faults, []);
  t.true(sent.some((frame) => frame.includes('12345678')));
});

test('pieces given to one handler are not freed for the next', (t) => {
  const { socket } = nowhere();
  const kept: Buffer[] = [];
  const writer: VisitHandler = { onOpened() {}, onData() {}, onEnd() {}, onReset() {}, onDrain() {}, unwritten: 0 };
  const { visits } = session(socket, {
    onData: (piece) => {
      kept.push(piece);
      (visits[0] as Visit).handler = writer;
    },
  });
  socket.emit('data', read(data(1), data(1)));
  t.is(kept[0]?.length, 8000);
});

test('a chunk lent while one handler had bytes to write is not freed by the next handler', (t) => {
  const { socket } = nowhere();
  const { visits } = session(socket, { unwritten: 10 });
  const chunk = read(data(1));
  socket.emit('data', chunk);
  (visits[0] as Visit).handler = { onOpened() {}, onData() {}, onEnd() {}, onReset() {}, onDrain() {}, unwritten: 0 };
  socket.emit('data', read(data(1)));
  t.is(chunk.length, 8008);
});

test('what came for the next visit in the same chunk is not freed for the one before', (t) => {
  const { socket } = nowhere();
  const decoder = new FrameDecoder({ onHeader() {}, onPayload() {} });
  const opener = new Session({
    id: 'tag45678',
    socket,
    decoder,
    side: 'server',
    remote: 'test',
    clock: manualClock().clock,
    greeted: { role: 'opener', settings: SETTINGS, tunnel: 'default', client: CLIENT, agent: 'test' },
    owner: {},
  });
  const pieces: Buffer[] = [];
  const handler = { onOpened() {}, onData() {}, onEnd() {}, onReset() {}, onDrain() {}, unwritten: 0 };
  const first = opener.open(INFO);
  first.handler = handler;
  first.end();
  first.onDone = () => {
    opener.open(INFO).handler = { ...handler, unwritten: 10, onData: (piece: Buffer) => void pieces.push(piece) };
  };
  const bare = (type: FrameType, visit: number): Buffer => encodeFrame(type, visit);
  socket.emit('data', read(bare(FrameType.opened, 1), bare(FrameType.fin, 1), bare(FrameType.opened, 2), data(2)));
  t.is(pieces[0]?.length, 8000);
});
