/** Peers that take their time, or claim what nobody has, before they have proved anything. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { ServerPool } from '../../src/server/server-pool.ts';
import { encodeFrame } from '../../src/shared/wire/encode.ts';
import { FrameType } from '../../src/shared/wire/frame.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { dial } from '../helpers/middle-man.ts';
import { TOKEN } from '../helpers/pair.ts';

const HELLO = encodeFrame(FrameType.hello, 0, Buffer.alloc(200, 'x'));

/** The first bytes of a client that speaks TLS. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }).on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

for (const [what, mode, bytes] of [
  ['HELLO', 0, () => Promise.resolve(HELLO)],
  ['the TLS hello', 1, clientHello],
] as const) {
  test(`case 2: a byte a second in ${what}: one deadline for all of it`, async (t) => {
    const time = manualClock();
    await using pool = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode }, clock: time.clock });
    await pool.start();
    const codes: string[] = [];
    pool.on('handshakeFailed', ({ error }) => codes.push(error.code));
    const slow = connect({ ...pool.address, port: pool.address?.port ?? 0 }).on('error', () => {});
    slow.resume();
    await until(() => pool.arriving === 1, 'it has arrived');
    let seconds = 0;
    for (const byte of await bytes()) {
      if (codes.length > 0) break;
      await new Promise((written) => slow.write(Buffer.of(byte), written));
      // Time for the pool to read it.
      for (let turn = 0; turn < 5; turn += 1) await new Promise((done) => setImmediate(done));
      await time.advance(1000);
      seconds += 1;
    }
    t.deepEqual([seconds, codes], [5, ['POOLD_ERR_HANDSHAKE_TIMEOUT']]);
    await until(() => slow.destroyed, 'it is closed');
    t.is(pool.arriving, 0);
  });
}

test('case 3: 200 peers who claim a frame of 16 MiB are closed at its header, and memory stays flat', async (t) => {
  for (const mode of [0, 1] as const) {
    await using pool = new ServerPool({
      ...{ listen: '127.0.0.1:0', token: TOKEN, tls: { mode } },
      ...{ maxHandshakes: 1000, maxHandshakesPerAddress: 1000 },
    });
    await pool.start();
    const codes = new Map<string, number>();
    pool.on('handshakeFailed', ({ error }) => void codes.set(error.code, (codes.get(error.code) ?? 0) + 1));
    const before = process.memoryUsage().rss;
    let peak = before;
    const look = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
    const port = pool.address?.port ?? 0;
    const claim = Buffer.concat([Buffer.of(FrameType.hello, 0xff, 0xff, 0xff, 0, 0, 0, 0), Buffer.alloc(65_536)]);
    for (let round = 0; round < 10; round += 1) {
      const crowd = await Promise.all(Array.from({ length: 20 }, () => dial(port, mode === 1)));
      await Promise.all(
        crowd.map(async (socket) => {
          socket.resume().write(claim);
          if (!socket.destroyed) await new Promise((closed) => socket.on('close', closed));
        }),
      );
    }
    clearInterval(look);
    await until(() => pool.arriving === 0, 'all are gone');
    t.deepEqual([...codes], [['POOLD_ERR_PROTOCOL', 200]]);
    t.log(`mode ${mode}: ${((peak - before) / 1e6).toFixed(0)} MB more at the most`);
    t.true(peak - before < 200e6, `${peak - before} bytes for 3.3 GB that were claimed`);
  }
});
