import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import test from 'ava';
import { until } from '../helpers/events.ts';
import { type Pair, startPair } from '../helpers/pair.ts';
import { startTarget } from '../helpers/targets.ts';
import { giveTransfer } from '../helpers/transfer.ts';

giveTransfer();

/** What a visitor or a target may do in the middle of a visit. */
const ENDINGS = ['honest', 'honest', 'honest', 'abort-early', 'abort-late', 'half-close', 'destroy'] as const;
type Ending = (typeof ENDINGS)[number];

/** Random numbers that are the same in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The target: answers a line "ending size" with so many bytes of the line's own digest, and ends as it is told. */
function unruly(socket: Socket): void {
  socket.once('data', (line: Buffer) => {
    const [ending, size] = String(line).split(' ') as [Ending, string];
    if (ending === 'abort-early') {
      socket.resetAndDestroy();
      return;
    }
    const answer = answerTo(String(line), Number(size));
    if (ending === 'destroy') {
      socket.write(answer.subarray(0, answer.length / 2), () => socket.destroy());
    } else if (ending === 'abort-late') {
      socket.write(answer, () => socket.resetAndDestroy());
    } else {
      socket.resume().end(answer);
    }
  });
}

function answerTo(line: string, size: number): Buffer {
  return Buffer.alloc(size, createHash('sha256').update(line).digest('hex'));
}

/** One visit. Returns whether every byte that came was the visit's own, and whether all came. */
async function visit(
  pair: Pair,
  random: () => number,
  number: number,
): Promise<{ own: boolean; whole: boolean; honest: boolean }> {
  const pick = (): Ending => ENDINGS[Math.floor(random() * ENDINGS.length)] ?? 'honest';
  const [mine, theirs] = [pick(), pick()];
  const size = Math.floor(random() ** 4 * 400_000) + 2;
  const line = `${theirs} ${size} ${number}`;
  const expected = answerTo(line, size);
  const socket = pair.visit().on('error', () => {});
  // Not `once`: an error, too, ends in a close.
  const closed = new Promise((resolve) => socket.on('close', resolve));
  let received = 0;
  let own = true;
  socket.on('data', (data: Buffer) => {
    own &&= data.equals(expected.subarray(received, received + data.length));
    received += data.length;
    if (mine === 'abort-late' && received > size / 2) socket.resetAndDestroy();
    if (mine === 'destroy' && received > size / 3) socket.destroy();
  });
  socket.on('end', () => socket.end());
  if (mine === 'half-close') socket.end(line);
  else socket.write(line);
  if (mine === 'abort-early') socket.resetAndDestroy();
  await closed;
  const honest = ['honest', 'half-close'].includes(mine) && ['honest', 'half-close'].includes(theirs);
  return { own, whole: received === size, honest };
}

for (const tls of [0, 1] as const) {
  test(`TLS mode ${tls}: 1,000 visits that end in every way leave no connection in use, and never meet each other’s bytes`, async (t) => {
    const random = seeded(7 + tls);
    await using target = await startTarget(unruly);
    await using pair = await startPair({ tls, target: target.port, client: { maxCapacity: 24 } });
    let next = 0;
    let foreign = 0;
    let incomplete = 0;
    const visitors = Array.from({ length: 40 }, async () => {
      while (next < 1000) {
        const { own, whole, honest } = await visit(pair, random, next++);
        if (!own) foreign += 1;
        if (honest && !whole) incomplete += 1;
      }
    });
    await Promise.all(visitors);
    t.deepEqual({ foreign, incomplete }, { foreign: 0, incomplete: 0 });
    const [server, client] = [pair.server.pool, pair.client.pool];
    await until(
      () => server.inUse + client.inUse + pair.server.visits + pair.client.visits === 0,
      'everything is back',
    );
    t.is(server.waiting, 0);
    await until(() => server.idle === client.idle, 'both ends have the same connections');
    t.is(server.errorCount, 0);
    t.log(`${server.stats().created} connections made, ${server.stats().closed} closed`);
  });
}
