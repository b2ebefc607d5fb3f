import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { until } from '../helpers/events.ts';
import { ask, startPair } from '../helpers/pair.ts';
import { startTarget } from '../helpers/targets.ts';
import { giveTransfer } from '../helpers/transfer.ts';

giveTransfer();

const MEGABYTE = 1_000_000;

/** `megabytes` of bytes that repeat only after 251 pieces, and their digest in `hash`. */
function* numbered(megabytes: number, hash: Hash): Generator<Buffer> {
  for (let sent = 0; sent < megabytes * 16; sent += 1) {
    const piece = Buffer.alloc(MEGABYTE / 16, sent % 251);
    hash.update(piece);
    yield piece;
  }
}

function digesting(hash: Hash): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
}

for (const tls of [0, 1] as const) {
  test(`TLS mode ${tls}: 100 MB go each way at once and arrive unchanged`, async (t) => {
    const toVisitor = { sent: createHash('sha256'), received: createHash('sha256') };
    const toTarget = { sent: createHash('sha256'), received: createHash('sha256') };
    const targetDone: Promise<unknown>[] = [];
    await using target = await startTarget((socket) => {
      targetDone.push(pipeline(Readable.from(numbered(100, toVisitor.sent)), socket));
      targetDone.push(pipeline(socket, digesting(toTarget.received), { end: true }));
    });
    await using pair = await startPair({ tls, target: target.port });
    const visitor = pair.visit();
    await Promise.all([
      pipeline(Readable.from(numbered(100, toTarget.sent)), visitor),
      pipeline(visitor, digesting(toVisitor.received)),
    ]);
    await Promise.all(targetDone);
    t.is(toVisitor.received.digest('hex'), toVisitor.sent.digest('hex'));
    t.is(toTarget.received.digest('hex'), toTarget.sent.digest('hex'));
  });
}

test('a slow target with 8 MiB still to read when its visit ends does not delay the next visitor', async (t) => {
  const slow: Socket[] = [];
  await using target = await startTarget((socket) => {
    if (slow.length === 0) {
      slow.push(socket.pause());
      socket.end();
    } else {
      socket.pipe(socket);
    }
  });
  await using pair = await startPair({ target: target.port, client: { minCapacity: 2, maxCapacity: 2 } });
  const upload = pair.visit();
  upload.resume();
  upload.end(Buffer.alloc(8 * 1024 * 1024, 'x'));
  await once(upload, 'finish');
  await until(() => slow.length === 1, 'the slow target is connected');
  // The visitor has ended, and so has the target; its unread bytes fill the pooled connection.
  const connections = pair.server.pool.inUse;
  t.is(await ask(pair.visit(), 'quick'), 'quick');
  t.is(await ask(pair.visit(), 'quick'), 'quick');
  t.is(connections, 1, 'the slow visit still has its connection');
  t.is(pair.server.pool.inUse, 1);
  let read = 0;
  slow[0]?.on('data', (chunk: Buffer) => (read += chunk.length)).resume();
  await until(() => read === 8 * 1024 * 1024, 'everything is read');
  await until(() => pair.server.pool.idle === 2, 'the connection is back');
});

test('a visitor who reads slowly stops the target, within bounded memory', async (t) => {
  let written = 0;
  await using target = await startTarget((socket) => {
    const piece = Buffer.alloc(65_536);
    const fill = (): void => {
      while (!socket.destroyed && socket.write(piece)) written += piece.length;
    };
    socket.on('drain', fill);
    fill();
  });
  await using pair = await startPair({ tls: 1, target: target.port });
  const visitor = pair.visit();
  visitor.pause();
  await once(visitor, 'connect');
  let before = -1;
  // Two looks without a byte more: the stream has come to a stand.
  await until(() => {
    const still = written > 0 && written === before;
    before = written;
    return still && pair.client.visits === 1 && paused(pair);
  }, 'the stream stands still');
  // Kernel buffers on the way, not memory of ours: loopback gives each socket up to about 6 MB.
  t.true(written < 64 * MEGABYTE, `${written} bytes were taken in`);
  visitor.destroy();
});

function paused(pair: { readonly server: { readonly pool: { readonly inUse: number } } }): boolean {
  return pair.server.pool.inUse === 1;
}
