import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { RejectedError } from '../../src/shared/errors.ts';
import type { VisitClosedEvent } from '../../src/shared/tunnel/visit-events.ts';
import { until } from '../helpers/events.ts';
import { ask, readAll, startPair, tlsOptions, TOKEN } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

for (const tls of [0, 1, 2] as const) {
  test(`TLS mode ${tls}: visitors of the client reach the server's target, again and again on the same connections`, async (t) => {
    await using target = await startTarget(echo);
    await using pair = await startPair({ tls, flow: 'forward', target: target.port, client: { minCapacity: 1 } });
    for (let n = 0; n < 20; n += 1) t.is(await ask(pair.visit(), `visitor ${n}`), `visitor ${n}`);
    await until(() => pair.client.pool.inUse + pair.server.pool.inUse === 0, 'the connections are back');
    t.true(pair.client.pool.stats().created < 5);
    t.is(target.accepted, 20);
  });
}

test('many visitors at once are served, more than connections are kept', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ flow: 'forward', target: target.port, client: { minCapacity: 2 } });
  const messages = Array.from({ length: 100 }, (_, n) => `visitor ${n}`);
  t.deepEqual(await Promise.all(messages.map((message) => ask(pair.visit(), message))), messages);
});

test('a service that speaks first is heard at once', async (t) => {
  await using target = await startTarget((socket) => socket.end('welcome'));
  await using pair = await startPair({ flow: 'forward', target: target.port });
  const visitor = pair.visit();
  t.is(await readAll(visitor), 'welcome');
  visitor.destroy();
});

test('a target that refuses resets the visitor, and both ends say why', async (t) => {
  await using pair = await startPair({ flow: 'forward', target: await freePort() });
  const heard: VisitClosedEvent[] = [];
  pair.client.on('visitClosed', (event) => heard.push(event));
  pair.server.on('visitClosed', (event) => heard.push(event));
  const [error] = (await once(pair.visit(), 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  await until(() => heard.length === 2, 'both ends have told');
  t.deepEqual(heard.map(({ reason }) => reason).sort(), ['broken', 'reset']);
  await until(() => pair.client.pool.inUse + pair.server.pool.inUse === 0, 'the connections are back');
  t.true(pair.server.pool.idle >= 8);
});

test('the end of the client lets a visit end, and takes no other', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ flow: 'forward', target: target.port });
  const visitor = pair.visit();
  visitor.write('one, ');
  await once(visitor, 'data');
  const closed = pair.client.close();
  await t.throwsAsync(once(pair.visit(), 'connect'));
  t.is(await ask(visitor, 'two'), 'two');
  await closed;
  t.is(pair.server.pool.size, 0);
});

test('the end of the server lets a visit end, and sends the next visitor away', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ flow: 'forward', target: target.port, tunnelClient: { waitMs: 50 } });
  const visitor = pair.visit();
  visitor.write('one, ');
  await once(visitor, 'data');
  const closed = pair.server.close();
  await until(() => pair.client.pool.idle === 0, 'the client has heard');
  await t.throwsAsync(once(pair.visit(), 'data'));
  t.is(await ask(visitor, 'two'), 'two');
  await closed;
});

test('a client that wants the other flow is not let in, and hears which it is', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ flow: 'forward', target: target.port });
  const { client: tls } = await tlsOptions(0);
  const dial = pair.server.pool.address as { host: string; port: number };
  await using pool = new ClientPool({ dial, tls, token: TOKEN, opener: 'server' });
  const failed = once(pool, 'dialFailed') as Promise<[{ error: Error }]>;
  await pool.start();
  const [{ error }] = await failed;
  t.true(error instanceof RejectedError);
  t.regex(error.message, /forward one; use the same flow on both sides/);
});

test('a local address that is taken is said at the start, and nothing goes on', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const client = new TunnelClient({ pool: { dial: '127.0.0.1:1', token: TOKEN }, local: `127.0.0.1:${port}` });
  await t.throwsAsync(client.start(), { code: 'POOLD_ERR_DIAL', message: /cannot listen on/ });
  t.is(client.pool.state, 'closed');
  other.close();
});
