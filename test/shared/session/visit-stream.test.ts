import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import test from 'ava';
import type { Visit } from '../../../src/shared/session/visit.ts';
import { VisitStream } from '../../../src/shared/session/visit-stream.ts';
import { encodeFrame } from '../../../src/shared/wire/encode.ts';
import { FrameType, ResetCode } from '../../../src/shared/wire/frame.ts';
import { until } from '../../helpers/events.ts';
import { sessionPair } from '../../helpers/session-pair.ts';

const INFO = { protocol: 'tcp', tunnel: 'default', remote: '192.0.2.1:5000', local: 'unix' } as const;

/** Both ends of a visit as streams; the far end listens only after a turn of the event loop. */
async function streams() {
  const arrived: Visit[] = [];
  const pair = await sessionPair({ client: { onVisit: (visit) => void arrived.push(visit) } });
  const near = new VisitStream(pair.server.open(INFO));
  near.write('early');
  await until(() => arrived.length === 1, 'the visit has arrived');
  const [visit] = arrived as [Visit];
  visit.accept();
  return { ...pair, near, far: new VisitStream(visit) };
}

test('a megabyte goes each way, and one direction ends without the other', async (t) => {
  const { near, far } = await streams();
  const [up, down] = [Buffer.alloc(1_000_000, 'u'), Buffer.alloc(1_000_000, 'd')];
  const heardUp = buffer(far.iterator({ destroyOnReturn: false }));
  near.end(up);
  t.deepEqual(await heardUp, Buffer.concat([Buffer.from('early'), up]));
  const heardDown = buffer(near);
  far.end(down);
  t.deepEqual(await heardDown, down);
});

test('a reader that does not read stops the writer', async (t) => {
  const { near, far } = await streams();
  let written = 0;
  const piece = Buffer.alloc(16_384);
  far.pause();
  while (near.write(piece) && written < 10_000_000) written += piece.length;
  t.true(written < 1_000_000, `${written} bytes were taken`);
  const drained = once(near, 'drain');
  far.resume();
  await drained;
  t.pass();
});

test('a reader that is behind at the end of its bytes does not stop the connection', async (t) => {
  const { far, client, ends } = await streams();
  ends[0].write(encodeFrame(FrameType.data, 1, Buffer.alloc(100_000)));
  t.true(client.paused);
  far.resume();
  await until(() => !client.paused, 'the connection is read again');
  far.pause();
  const last = [encodeFrame(FrameType.data, 1, Buffer.alloc(100_000)), encodeFrame(FrameType.fin, 1)];
  ends[0].write(Buffer.concat(last));
  t.false(client.paused);
});

test('destroy resets the visit, which destroys the stream at the other end with the code', async (t) => {
  const { near, far } = await streams();
  const failed = once(far, 'error');
  near.destroy();
  const [error] = (await failed) as [{ code: string; resetCode: number }];
  t.is(error.code, 'POOLD_ERR_VISIT_RESET');
  t.is(error.resetCode, ResetCode.visitorLeft);
});

test('what came before anybody listened is heard', async (t) => {
  const { near, far } = await streams();
  near.end();
  t.is(String(await buffer(far.iterator({ destroyOnReturn: false }))), 'early');
});
