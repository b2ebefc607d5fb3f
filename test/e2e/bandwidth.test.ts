import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'ava';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import type { VisitClosedEvent } from '../../src/shared/tunnel/visit-events.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, type PairOptions, startPair, TOKEN } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const MB = 1_000_000;

/** Bytes of which each tells its place. */
function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32BE(at, at);
  return bytes;
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The options of one side, or the other. */
function limited(side: 'server' | 'client', bandwidth: object, flow: 'reverse' | 'forward' = 'reverse') {
  const options = { flow, tls: 1 as const, client: { minCapacity: 4 } };
  return (
    side === 'server' ? { ...options, tunnelServer: { bandwidth } } : { ...options, tunnelClient: { bandwidth } }
  ) satisfies Partial<PairOptions>;
}

for (const flow of ['reverse', 'forward'] as const) {
  for (const side of ['server', 'client'] as const) {
    test(`${flow}, limits at the ${side}: every byte arrives, at the rate, and each direction ends by itself`, async (t) => {
      await using target = await startTarget(echo);
      const limits = { upload: 2 * MB, download: 3 * MB };
      await using pair = await startPair({ ...limited(side, limits, flow), target: target.port });
      const bytes = numbered(2 * MB);
      const closed = nextEvent<VisitClosedEvent>(flow === 'reverse' ? pair.server : pair.client, 'visitClosed');
      const visitor = pair.visit();
      const startedAt = performance.now();
      visitor.end(bytes);
      const pieces: Buffer[] = [];
      visitor.on('data', (piece: Buffer) => pieces.push(piece));
      await once(visitor, 'end');
      const tookMs = performance.now() - startedAt;
      t.is(digest(Buffer.concat(pieces)), digest(bytes));
      // A burst of a tenth of a second is free, at the start alone; what this machine is late by is not the limit's.
      t.true(tookMs >= 850, `${tookMs} ms`);
      t.like(await closed, { reason: 'done', bytesIn: 2 * MB, bytesOut: 2 * MB });
      const numbers = (side === 'server' ? pair.server : pair.client).bandwidthStats();
      t.is(numbers?.upload?.bytesPerSecond, 2 * MB);
      t.is((side === 'server' ? pair.client : pair.server).bandwidthStats(), undefined);
    });
  }
}

for (const flow of ['reverse', 'forward'] as const) {
  for (const side of ['server', 'client'] as const) {
    test(`${flow}, limits at the ${side}: the time is counted in which a visit is held back`, async (t) => {
      await using target = await startTarget(echo);
      // So little that a busy machine cannot be late by as much: 4 KiB in two seconds, behind the burst.
      await using pair = await startPair({ ...limited(side, { upload: 2048 }, flow), target: target.port });
      const [here, there] = side === 'server' ? [pair.server, pair.client] : [pair.client, pair.server];
      const visitor = pair
        .visit()
        .resume()
        .on('error', () => {});
      t.is(here.bandwidthStats()?.upload?.throttledMs, 0);
      visitor.write(Buffer.alloc(100_000));
      await until(() => (here.bandwidthStats()?.upload?.throttledMs ?? 0) > 500, 'it has been held back for so long');
      t.is(there.bandwidthStats(), undefined);
      visitor.destroy();
    });
  }
}

test('what a visitor said while a target was looked for stands in the queue, too', async (t) => {
  await using target = await startTarget(echo);
  const tunnelClient = {
    target: [`127.0.0.1:${await freePort()}`, `127.0.0.1:${target.port}`],
    targets: { strategy: 'failover' as const, check: 'off' as const, warm: 1 },
    bandwidth: { upload: 20_000, download: 200_000 },
  };
  await using pair = await startPair({ target: 1, tunnelClient });
  const bytes = numbered(120_000);
  const visitor = pair.visit();
  const startedAt = performance.now();
  visitor.end(bytes);
  const pieces: Buffer[] = [];
  visitor.on('data', (piece: Buffer) => pieces.push(piece));
  await once(visitor, 'end');
  t.is(digest(Buffer.concat(pieces)), digest(bytes));
  // What is beyond the burst of 64 KiB takes 2.7 s, with a tenth off for clocks.
  t.true(performance.now() - startedAt >= 2450);
  t.true((pair.client.bandwidthStats()?.upload?.throttledMs ?? 0) > 400);
});

test('a visitor whose first client turns it away brings what was held back to the next', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({
    target: await freePort(),
    server: { clientStrategy: 'failover' },
    client: { minCapacity: 1 },
    tunnelServer: { bandwidth: { upload: 200_000 } },
  });
  await using second = new TunnelClient({
    pool: { dial: pair.server.pool.address ?? '', tls: { mode: 0 }, token: TOKEN, minCapacity: 1 },
    target: target.port.toString(),
  });
  await second.start();
  await pair.server.pool.warmed(2);
  for (const length of [1000, 80_000, 200_000]) {
    const bytes = numbered(length);
    const visitor = pair.visit();
    visitor.end(bytes);
    const pieces: Buffer[] = [];
    visitor.on('data', (piece: Buffer) => pieces.push(piece));
    await once(visitor, 'end');
    t.is(digest(Buffer.concat(pieces)), digest(bytes), `${length} bytes`);
  }
  t.is(pair.client.targetStats()[0]?.failed, 3);
});

test('who comes with little does not stand behind those who move much', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ ...limited('server', { upload: MB }), target: target.port });
  const bulk = [pair.visit(), pair.visit()];
  for (const visitor of bulk) visitor.resume().write(Buffer.alloc(3 * MB));
  await until(() => bulk.every(({ bytesRead }) => bytesRead > 100_000), 'both are on their way');
  const before = bulk.map(({ bytesRead }) => bytesRead);
  t.is(await ask(pair.visit(), 'x'.repeat(1000)), 'x'.repeat(1000));
  // In its turn: the bulk has seconds to go.
  const meanwhile = bulk.reduce((sum, { bytesRead }, at) => sum + bytesRead - (before[at] ?? 0), 0);
  t.true(meanwhile < 2 * MB, `${meanwhile} bytes`);
  for (const visitor of bulk) visitor.destroy();
});

test('a visitor or target that breaks off while it is held back is heard, and its place is free', async (t) => {
  const sockets: Socket[] = [];
  await using target = await startTarget((socket) => sockets.push(socket.resume()));
  await using pair = await startPair({ ...limited('client', { upload: 100_000 }), target: target.port });
  for (const who of ['visitor', 'target'] as const) {
    const count = sockets.length;
    const closed = nextEvent<VisitClosedEvent>(pair.client, 'visitClosed');
    const visitor = pair.visit().on('error', () => {});
    visitor.write(Buffer.alloc(200_000));
    await until(() => (sockets[count]?.bytesRead ?? 0) > 0, 'it is on');
    if (who === 'visitor') visitor.resetAndDestroy();
    else sockets[count]?.resetAndDestroy();
    await until(() => visitor.destroyed, 'the visitor is gone');
    const { reason } = await closed;
    t.is(reason, who === 'visitor' ? 'reset' : 'broken');
    await until(() => pair.client.visits === 0 && pair.server.visits === 0, 'the visit is over');
    const pools = [pair.client.pool, pair.server.pool];
    await until(() => pools.every((pool) => pool.stats().inUse === 0), 'its connection is back, or closed');
  }
});

test('a visit that is held back is not taken for one that has stalled', async (t) => {
  await using target = await startTarget(echo);
  const stallTimeoutMs = 1000;
  await using pair = await startPair({
    target: target.port,
    tunnelServer: { bandwidth: { upload: 2048 }, stallTimeoutMs },
    tunnelClient: { stallTimeoutMs },
  });
  const visitor = pair
    .visit()
    .resume()
    .on('error', () => {});
  visitor.write(Buffer.alloc(100_000));
  // A burst, and then 4 KiB each two seconds.
  await until(() => visitor.bytesRead >= (64 + 8) * 1024 || visitor.destroyed, 'two turns are through');
  t.false(visitor.destroyed);
  visitor.destroy();
});
