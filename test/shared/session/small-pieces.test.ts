/** Frames that come byte by byte, from a peer that wants each byte to cost much. */
import test from 'ava';
import { Greeter } from '../../../src/shared/session/greeter.ts';
import { encodeFrame, encodeHeader } from '../../../src/shared/wire/encode.ts';
import { FrameType } from '../../../src/shared/wire/frame.ts';
import { encodeOpen } from '../../../src/shared/wire/messages.ts';
import { FedSocket } from '../../helpers/fed-socket.ts';
import { held } from '../../helpers/memory.ts';
import { INFO, SessionBench } from '../../helpers/session-bench.ts';
import { serverGreeting } from '../../helpers/session-pair.ts';

/** Peers at the same time, so that what one costs stands out. */
const PEERS = 50;

/** Feeds one byte at a time, each in a buffer of its own, as a TLS record brings it. */
function trickle(socket: FedSocket, frame: Buffer): void {
  for (const byte of frame) socket.emit('data', Buffer.of(byte));
}

/** What is kept of a frame but its last byte, bytes for each byte that came. */
function costPerByte(sockets: readonly FedSocket[], frame: Buffer): number {
  // What is made once is made before.
  trickle(sockets[0] as FedSocket, frame.subarray(0, -1));
  const before = held();
  for (const socket of sockets.slice(1)) trickle(socket, frame.subarray(0, -1));
  return (held() - before) / ((sockets.length - 1) * frame.length);
}

test.serial('a HELLO that comes byte by byte costs about what it is long', async (t) => {
  const hello = Buffer.concat([encodeHeader(FrameType.hello, 0, 4096), Buffer.alloc(4096, ' ')]);
  const sockets: FedSocket[] = [];
  for (let peer = 0; peer < PEERS; peer += 1) {
    const socket = new FedSocket();
    new Greeter(socket, await serverGreeting(), {
      onGreeted() {},
      onGreetingFailed: (error) => t.fail(error.message),
    }).start();
    sockets.push(socket);
  }
  const cost = costPerByte(sockets, hello);
  t.true(cost < 10, `${cost.toFixed(1)} bytes for each`);
});

test.serial('so does any frame of a session, and a datagram', (t) => {
  const long = encodeFrame(FrameType.reset, 1, Buffer.alloc(4096, ' '));
  const datagram = encodeFrame(FrameType.data, 1, Buffer.alloc(4096));
  for (const [frame, protocol] of [
    [long, 'tcp'],
    [datagram, 'udp'],
  ] as const) {
    const benches = Array.from({ length: PEERS }, () => {
      const bench = new SessionBench('acceptor', 'client', { onDatagrams: (visit) => visit.accept() });
      bench.socket.feed(encodeFrame(FrameType.open, 1, encodeOpen({ ...INFO, protocol })));
      return bench;
    });
    const cost = costPerByte(
      benches.map(({ socket }) => socket),
      frame,
    );
    t.true(cost < 10, `${protocol}: ${cost.toFixed(1)} bytes for each`);
    for (const bench of benches) t.false(bench.session.closed);
  }
});
