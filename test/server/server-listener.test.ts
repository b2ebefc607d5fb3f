import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { ServerListener } from '../../src/server/server-listener.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { RejectedError } from '../../src/shared/errors.ts';
import type { DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN } from '../helpers/pair.ts';

const OTHER = 'another token, long enough';

/** A client pool of a tunnel, not started. */
const clientOf = (listener: ServerListener, tunnel: string, token = TOKEN): ClientPool =>
  new ClientPool({ dial: listener.address ?? '', tls: { mode: 0 }, token, tunnel, minCapacity: 2 });

/** Why the server turns it away. */
async function refusal(client: ClientPool): Promise<string | undefined> {
  const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
  await client.start();
  const { error } = await failed;
  client.destroy();
  return (error as RejectedError).reason;
}

test('the clients of each tunnel reach its pool, by one address and one certificate', async (t) => {
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token: TOKEN });
  await using web = new ServerPool({ listener, tunnel: 'web' });
  await using db = new ServerPool({ listener, tunnel: 'db', opener: 'client' });
  await Promise.all([listener.start(), web.start(), db.start()]);
  t.deepEqual([web.address, db.fingerprint], [listener.address, listener.fingerprint]);
  const dial = listener.address ?? '';
  await using first = new ClientPool({ dial, token: TOKEN, tunnel: 'web', minCapacity: 2, maxCapacity: 2 });
  const three = { minCapacity: 3, maxCapacity: 3 };
  await using second = new ClientPool({ dial, token: TOKEN, tunnel: 'db', ...three });
  await Promise.all([first.start(), second.start()]);
  await Promise.all([web.warmed(2), db.warmed(3)]);
  t.deepEqual([web.size, db.size], [2, 3]);
  t.is(listener.stats().arriving, 0);
});

test('a tunnel without a pool is refused, also when its pool has left; the others stay as they are', async (t) => {
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode: 0 } });
  await using web = new ServerPool({ listener, tunnel: 'web' });
  const db = new ServerPool({ listener, tunnel: 'db' });
  await Promise.all([listener.start(), web.start(), db.start()]);
  await using client = clientOf(listener, 'web');
  await client.start();
  await web.warmed(2);
  t.is(await refusal(clientOf(listener, 'files')), 'tunnel');
  await db.close();
  t.is(await refusal(clientOf(listener, 'db')), 'tunnel');
  t.true(web.size >= 2);
  await using again = new ServerPool({ listener, tunnel: 'db' });
  await again.start();
  await using late = clientOf(listener, 'db');
  await late.start();
  await again.warmed(2);
});

test('a token that is bound to a tunnel lets nobody into another', async (t) => {
  const token = [{ token: TOKEN, tunnels: ['web'] }, { token: OTHER }];
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token, tls: { mode: 0 } });
  await using web = new ServerPool({ listener, tunnel: 'web' });
  await using db = new ServerPool({ listener, tunnel: 'db' });
  await Promise.all([listener.start(), web.start(), db.start()]);
  t.is(await refusal(clientOf(listener, 'db')), 'tunnel');
  await using client = clientOf(listener, 'db', OTHER);
  await client.start();
  await db.warmed(2);
  t.is(web.size, 0);
});

test('a second pool of a tunnel, and what is the listener’s to say, are refused', async (t) => {
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token: TOKEN });
  await using web = new ServerPool({ listener, tunnel: 'web' });
  await web.start();
  const twice = new ServerPool({ listener, tunnel: 'web' });
  await t.throwsAsync(twice.start(), { message: /tunnel: web has a pool at this listener already/ });
  t.throws(() => new ServerPool({ listener, token: TOKEN }), { message: /token: has no effect beside listener/ });
  t.throws(() => new ServerPool({ listener, listen: ':0' }), { message: /listen: has no effect beside listener/ });
  t.throws(() => new ServerPool<false>({ listener, session: false }), { message: /session: raw connections belong/ });
  t.notThrows(() => new ServerPool({ listener, tunnel: 'db', keepAliveMs: 5000 }));
});

test('a listener that closes leaves its pools what they have, and lets nobody else in', async (t) => {
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode: 0 } });
  await using web = new ServerPool({ listener, tunnel: 'web' });
  await Promise.all([listener.start(), web.start()]);
  await using client = clientOf(listener, 'web');
  await client.start();
  await web.warmed(2);
  const late = clientOf(listener, 'web');
  await listener.close();
  t.is(web.idle, 2);
  const failed = nextEvent<DialFailedEvent>(late, 'dialFailed');
  await late.start();
  t.regex((await failed).error.message, /ECONNREFUSED/);
  late.destroy();
});

test('failed greetings and useless tokens are the listener’s to tell', async (t) => {
  const told: string[] = [];
  const token = [{ token: TOKEN, tunnels: ['web'] }];
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token, tls: { mode: 0 } });
  listener.on('fault', ({ error }) => told.push(error.message));
  listener.on('handshakeFailed', ({ error }) => told.push(error.code));
  await using db = new ServerPool({ listener, tunnel: 'db' });
  await Promise.all([listener.start(), db.start()]);
  t.is(await refusal(clientOf(listener, 'db', OTHER)), 'auth');
  await until(() => told.length > 1, 'both are told');
  t.regex(told[0] ?? '', /opens other tunnels only/);
  t.is(told[1], 'POOLD_ERR_REJECTED');
  t.true(listener.stats().failedGreetings > 0);
});
