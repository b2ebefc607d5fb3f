/** More connections than a server pool takes. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN } from '../helpers/pair.ts';

const LISTEN = '127.0.0.1:0';
const MAX = 10;

/** Everything that a pool counts, against everything that it has told. */
function count(pool: ServerPool<boolean>) {
  const told = { ready: 0, closed: 0, failed: 0, most: 0 };
  const look = (): void => void (told.most = Math.max(told.most, pool.size));
  pool.on('connectionReady', () => {
    told.ready += 1;
    look();
  });
  pool.on('connectionClosed', ({ reason }) => {
    told.closed += 1;
    // Broken by the network, or by a client that was destroyed: an error, too.
    if (reason === 'error') told.failed += 1;
    look();
  });
  pool.on('handshakeFailed', () => {
    told.failed += 1;
    look();
  });
  return (t: ExecutionContext): void => {
    const { idle, inUse, connecting, size, created, closed, errorCount } = pool.stats();
    t.is(idle + inUse + connecting, size);
    t.is(created - closed, size - connecting);
    t.deepEqual([created, closed, errorCount], [told.ready, told.closed, told.failed]);
    t.true(told.most <= MAX, `${told.most} connections at once`);
    const grouped = pool.groups.reduce((all, group) => all + group.idle + group.inUse, 0);
    t.is(grouped, idle + inUse);
  };
}

test('case 11: a crowd of clients beyond the maximum is refused, and every counter is exact', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, maxCapacity: MAX });
  await pool.start();
  const check = count(pool);
  const codes = new Set<string>();
  const clients = Array.from({ length: 6 }, () => {
    const client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 8 });
    client.on('dialFailed', ({ error }) => codes.add('reason' in error ? String(error.reason) : error.code));
    return client;
  });
  await Promise.all(clients.map((client) => client.start()));
  await until(() => pool.size === MAX && codes.size > 0 && pool.arriving === 0, 'the pool is full');
  check(t);
  t.deepEqual([...codes], ['full']);
  const lease = await pool.acquire();
  check(t);
  // Half of the crowd leaves: its room is for the others, as soon as they try again.
  for (const client of clients.slice(0, 3)) client.destroy();
  await until(() => pool.size < MAX, 'they have left');
  await until(() => pool.size === MAX && pool.arriving === 0, 'the pool is full again');
  check(t);
  if (lease.held) lease.release();
  for (const client of clients) client.destroy();
  await until(() => pool.size === 0 && pool.arriving === 0, 'nobody is left');
  check(t);
  t.deepEqual([...pool.groups], []);
});

test('case 11: of raw connections beyond the maximum, each is refused or has its place', async (t) => {
  const pool = new ServerPool({ listen: LISTEN, session: false, tls: { mode: 0 }, maxCapacity: MAX });
  await pool.start();
  const check = count(pool);
  const { port = 0 } = pool.address ?? {};
  const tags = new Set<string>();
  const crowd: Socket[] = Array.from({ length: 40 }, () => connectTcp(port, '127.0.0.1').on('error', () => {}));
  for (const socket of crowd) socket.on('data', (tag: Buffer) => tags.add(String(tag)));
  await until(() => crowd.filter(({ closed }) => closed).length === 30 && tags.size === MAX, 'all have an answer');
  t.deepEqual([pool.idle, pool.connecting, pool.errorCount], [MAX, 0, 30]);
  t.true([...tags].every((tag) => pool.has(tag)));
  check(t);
  crowd.find(({ closed }) => !closed)?.destroy();
  await until(() => pool.size === MAX - 1, 'one has left');
  const [tag] = (await once(crowd[crowd.push(connectTcp(port, '127.0.0.1')) - 1] as Socket, 'data')) as [Buffer];
  t.false(tags.has(String(tag)));
  check(t);
  for (const socket of crowd) socket.destroy();
  await pool.close();
  t.is(pool.size, 0);
});

test('a full pool turns a client away with the reason, and takes the next when there is room', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, maxCapacity: 1 });
  await pool.start();
  const dial = pool.address ?? '';
  await using first = new ClientPool({ dial, token: TOKEN, minCapacity: 1 });
  await first.start();
  await first.warmed(1);
  t.is(first.max, 1, 'the client dials no more than the server takes');
  await using second = new ClientPool({ dial, token: TOKEN, minCapacity: 1 });
  const failed = nextEvent<{ error: { code: string; reason?: string; retryAfterMs?: number } }>(second, 'dialFailed');
  await second.start();
  const { error } = await failed;
  t.is(error.code, 'POOLD_ERR_REJECTED');
  t.is(error.reason, 'full');
  t.is(error.retryAfterMs, 1000);
  t.is(pool.size, 1);
});
