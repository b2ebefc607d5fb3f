/** Whom a server pool has turned away, by why. */
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { startChild } from '../helpers/child.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { startGuessers } from '../helpers/guesser.ts';
import { TOKEN } from '../helpers/pair.ts';

const LISTEN = '127.0.0.1:0';
const NOBODY = { evicted: 0, late: 0, address: 0, full: 0, busy: 0, descriptors: 0 };

const onLinux = process.platform === 'linux' ? test : test.skip;

function come({ address }: ServerPool<boolean>, count: number): Socket[] {
  const { port = 0 } = address ?? {};
  return Array.from({ length: count }, () =>
    connect({ port, host: '127.0.0.1' })
      .on('error', () => {})
      .resume(),
  );
}

test('a snapshot has the limits beside what they count', (t) => {
  const given = { maxHandshakes: 9, maxHandshakesPerAddress: 5, maxWaiting: 7 };
  t.like(new ServerPool({ listen: LISTEN, ...given }).stats(), { ...given, turnedAway: NOBODY });
});

test('addresses that are not allowed are counted', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, allow: ['10.0.0.0/8'] });
  await pool.start();
  come(pool, 3);
  await until(() => pool.errorCount === 3, 'all are refused');
  t.deepEqual(pool.stats().turnedAway, { ...NOBODY, address: 3 });
});

test('connections that make room, and those that are late, are counted', async (t) => {
  const time = manualClock();
  const limits = { maxHandshakes: 4, maxHandshakesPerAddress: 4 };
  const pool = new ServerPool({ listen: LISTEN, token: TOKEN, clock: time.clock, ...limits });
  await pool.start();
  come(pool, 10);
  await until(() => pool.errorCount === 6, 'all have come');
  t.deepEqual(pool.stats().turnedAway, { ...NOBODY, evicted: 6 });
  await time.advance(5000);
  t.deepEqual(pool.stats().turnedAway, { ...NOBODY, evicted: 6, late: 4 });
  come(pool, 2);
  await until(() => pool.arriving === 2, 'others have come');
  await pool.close();
  t.deepEqual(pool.stats().turnedAway, { ...NOBODY, evicted: 6, late: 4 }, 'the end of the pool is no eviction');
});

test('what a full pool refuses is counted, with sessions and without', async (t) => {
  await using raw = new ServerPool({ listen: LISTEN, session: false, tls: { mode: 0 }, maxCapacity: 2 });
  await raw.start();
  come(raw, 5);
  await until(() => raw.errorCount === 3, 'all have an answer');
  t.deepEqual(raw.stats().turnedAway, { ...NOBODY, full: 3 });
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, maxCapacity: 1, workers: 2 });
  await pool.start();
  await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 2 });
  await client.start();
  await until(() => pool.errorCount > 0, 'the second is refused');
  t.true(pool.stats().turnedAway.full > 0);
});

test('greetings that have no turn in time are counted', async (t) => {
  const time = manualClock();
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, clock: time.clock, handshakeTimeoutMs: 60_000 });
  await pool.start();
  const { host = '', port = 0 } = pool.address ?? {};
  using guessers = await startGuessers({ to: { host, port }, atOnce: 3, tls: 1 });
  await until(() => pool.stats().waitingGreetings === 3, 'all wait');
  guessers.stop();
  await until(() => pool.arriving === 0, 'they have left');
  await using client = new ClientPool({ dial: { host, port }, token: TOKEN, minCapacity: 2 });
  await client.start();
  await until(() => pool.stats().waitingGreetings === 2, 'both of the client wait');
  // At once: no turn comes in between.
  time.stop(4000);
  t.deepEqual(pool.stats().turnedAway, { ...NOBODY, busy: 2 });
});

onLinux('connections for which no descriptor is left are counted', async (t) => {
  const module = new URL('../../src/server/server-pool.js', import.meta.url).href;
  const code = `const { ServerPool } = await import('${module}');
    const pool = new ServerPool({ listen: '${LISTEN}', session: false, tls: { mode: 0 } });
    pool.on('fault', () => {});
    await pool.start();
    console.log('port', pool.address.port);
    setInterval(() => console.log('refused', pool.stats().turnedAway.descriptors, 'of', 60, 'size', pool.size), 20);`;
  await using child = startChild('sh', [
    '-c',
    'ulimit -n 64; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    code,
  ]);
  const [, port] = await child.printed(/port (\d+)/);
  const crowd = Array.from({ length: 60 }, () =>
    connect(Number(port), '127.0.0.1')
      .on('error', () => {})
      .resume(),
  );
  const [, refused, size] = await child.printed(/refused ([1-9]\d*) of 60 size ([1-9]\d*)/);
  t.true(Number(refused) + Number(size) <= 60);
  for (const socket of crowd) socket.destroy();
});
