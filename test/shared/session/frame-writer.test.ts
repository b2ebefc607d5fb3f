import { setImmediate as turn } from 'node:timers/promises';
import { Writable, type Duplex } from 'node:stream';
import test from 'ava';
import { FrameWriter } from '../../../src/shared/session/frame-writer.ts';
import { encodeFrame } from '../../../src/shared/wire/encode.ts';
import { FrameType } from '../../../src/shared/wire/frame.ts';

const OPEN = encodeFrame(FrameType.open, 1, Buffer.from('{}'));
const FIN = encodeFrame(FrameType.fin, 1);

/** A writer over a stream that remembers each write. */
function recorded() {
  const writes: Buffer[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      writes.push(chunk);
      done();
    },
    writev: (chunks, done) => {
      writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)));
      done();
    },
  });
  return { writer: new FrameWriter(socket as unknown as Duplex), writes };
}

test('a frame that is held leaves with the first bytes, in one write', async (t) => {
  for (const bytes of [Buffer.from('hello'), Buffer.alloc(100_000, 'hello')]) {
    const { writer, writes } = recorded();
    writer.hold(OPEN);
    t.deepEqual(writes, []);
    writer.data(1, bytes);
    t.deepEqual(writes, [Buffer.concat([OPEN, encodeFrame(FrameType.data, 1, bytes)])]);
    await turn();
    await turn();
    t.is(writes.length, 1, 'once');
  }
});

test('frames that are held leave in front of any other, in their order', async (t) => {
  const { writer, writes } = recorded();
  writer.hold(OPEN);
  writer.hold(FIN);
  let flushed = false;
  writer.write(FIN, () => (flushed = true));
  t.deepEqual(writes, [Buffer.concat([OPEN, FIN, FIN])]);
  await turn();
  t.true(flushed);
});

test('a frame without company leaves alone, two turns of the event loop later', async (t) => {
  const [first, second] = [recorded(), recorded()];
  first.writer.hold(OPEN);
  await turn();
  second.writer.hold(OPEN);
  t.deepEqual(first.writes, []);
  await turn();
  t.deepEqual([first.writes, second.writes], [[OPEN], []]);
  await turn();
  t.deepEqual(second.writes, [OPEN]);
  first.writer.hold(FIN);
  await turn();
  await turn();
  t.deepEqual(first.writes, [OPEN, FIN]);
});
