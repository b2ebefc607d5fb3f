import { once } from 'node:events';
import { connect as connectTcp, createServer, type Server } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { HandshakeFailedEvent } from '../../src/shared/pool/pool-events.ts';
import type { Visit } from '../../src/shared/session/visit.ts';
import { ResetCode } from '../../src/shared/wire/frame.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN, tlsOptions } from '../helpers/pair.ts';
import { connectAndReset } from '../helpers/targets.ts';
import { VisitLog } from '../helpers/visit-log.ts';

const LISTEN = '127.0.0.1:0';

test('in the classic dialect the tag is 8 characters, and it is the ID under which the pool has the connection', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, session: false });
  await pool.start();
  const socket = connectTls({ ...pool.address, rejectUnauthorized: false });
  const [tag] = (await once(socket, 'data')) as [Buffer];
  t.regex(String(tag), /^[A-Za-z0-9_-]{8}$/);
  const lease = await pool.get(String(tag));
  t.is(lease.id, String(tag));
  lease.connection.socket.write('yours now');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  t.is(String(bytes), 'yours now');
  lease.destroy();
});

test('in the dialect of NodePass 1.14 the tag is 4 raw bytes, and the ID their hex', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, session: false, idFormat: 'raw4', tls: { mode: 0 } });
  await pool.start();
  const socket = connectTcp({ ...pool.address, port: pool.address?.port ?? 0 });
  const [tag] = (await once(socket, 'data')) as [Buffer];
  t.is(tag.length, 4);
  await pool.warmed(1);
  t.true(pool.has(tag.toString('hex')));
  socket.destroy();
});

test('an address that is not allowed is closed before TLS, and said', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, allow: ['10.0.0.0/8', '192.168.1.1'] });
  await pool.start();
  const failed = nextEvent<HandshakeFailedEvent>(pool, 'handshakeFailed');
  const socket = connectTcp({ ...pool.address, port: pool.address?.port ?? 0 });
  let received = 0;
  socket.on('data', (data: Buffer) => (received += data.length)).on('error', () => {});
  await once(socket, 'close');
  t.is(received, 0);
  t.is((await failed).error.code, 'POOLD_ERR_ADDRESS_REFUSED');
  t.is(pool.errorCount, 1);
});

test('an IPv4 address counts as itself on a dual-stack listener', async (t) => {
  await using pool = new ServerPool({ listen: '[::]:0', token: TOKEN, allow: ['127.0.0.1'] });
  await pool.start();
  const { port = 0 } = pool.address ?? {};
  await using client = new ClientPool({ dial: { host: '127.0.0.1', port }, token: TOKEN, minCapacity: 1 });
  await client.start();
  await client.warmed(1);
  t.is(pool.size, 1);
});

test('case 1: a connection that says nothing is closed at the handshake deadline', async (t) => {
  for (const mode of [0, 1] as const) {
    await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode }, handshakeTimeoutMs: 30 });
    await pool.start();
    const failed = nextEvent<HandshakeFailedEvent>(pool, 'handshakeFailed');
    const socket = connectTcp({ ...pool.address, port: pool.address?.port ?? 0 }).on('error', () => {});
    socket.resume();
    await once(socket, 'close');
    t.is((await failed).error.code, 'POOLD_ERR_HANDSHAKE_TIMEOUT');
    t.is(pool.arriving, 0);
  }
});

test('a connection that is still arriving when the pool closes hears that, and no other reason', async (t) => {
  const pool = new ServerPool({ listen: LISTEN, tls: { mode: 0 } });
  await pool.start();
  const socket = connectTcp({ ...pool.address, port: pool.address?.port ?? 0 }).on('error', () => {});
  await once(socket, 'data');
  const failed = nextEvent<HandshakeFailedEvent>(pool, 'handshakeFailed');
  await pool.close();
  t.regex((await failed).error.message, /the pool is closing/);
  socket.destroy();
});

test('case 4: a crowd that says nothing does not keep a client out, at its own address or another', async (t) => {
  for (const localAddress of ['127.0.0.1', '127.0.0.2']) {
    await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, maxHandshakes: 8, maxHandshakesPerAddress: 8 });
    await pool.start();
    const to = { ...pool.address, port: pool.address?.port ?? 0, localAddress };
    const crowd = Array.from({ length: 30 }, () => connectTcp(to));
    for (const socket of crowd) socket.on('error', () => {});
    await until(() => pool.arriving === 8, 'the slots are full');
    await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 2 });
    await client.start();
    await client.warmed(2);
    t.true(pool.arriving <= 8);
    for (const socket of crowd) socket.destroy();
  }
});

test('a connection that is lost in a visit goes to nobody who waits', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, maxCapacity: 1 });
  await pool.start();
  await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 1, onVisit: () => {} });
  await client.start();
  const first = await pool.openVisit({ remote: 'unix', local: 'unix' });
  const acquired: string[] = [];
  pool.on('acquired', ({ id }) => acquired.push(id));
  const waiting = pool.acquire();
  first.abandon();
  const { id, connection } = await waiting;
  t.not(id, first.connectionId);
  t.false(connection.closed);
  t.deepEqual(acquired, [id]);
});

test('a graceful flush, and closing, let a lease between two visits end', async (t) => {
  for (const end of ['flush', 'close'] as const) {
    await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, maxCapacity: 1 });
    await pool.start();
    await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 1 });
    await client.start();
    const lease = await pool.acquire();
    if (end === 'flush') pool.flush({ graceful: true });
    else void pool.close();
    await until(() => pool.state === 'closing' || end === 'flush', 'it has begun');
    t.false(lease.connection.closed, end);
    t.false(lease.release());
    t.true(lease.connection.closed);
  }
});

test('a server of the caller is used, and left open', async (t) => {
  const server: Server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pool = new ServerPool({ server, session: false, tls: { mode: 0 } });
  await pool.start();
  const address = pool.address ?? '';
  const client = new ClientPool({ dial: address, session: false, tls: { mode: 0 }, minCapacity: 1 });
  await client.start();
  await pool.warmed(1);
  await Promise.all([client.close(), pool.close()]);
  t.true(server.listening);
  server.close();
});

test('a port that is taken is an error that names it', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, session: false });
  await pool.start();
  const second = new ServerPool({ listen: pool.address ?? '', session: false });
  const error = await t.throwsAsync(second.start(), { code: 'POOLD_ERR_DIAL' });
  t.true(error?.message.includes(String(pool.address?.port)));
});

test('clients with a certificate of the authority get in, others do not', async (t) => {
  const { testCertificates } = await import('../helpers/certificates.ts');
  const { authority, client: certificate } = await testCertificates();
  const tls = await tlsOptions(2);
  await using pool = new ServerPool({
    listen: LISTEN,
    session: false,
    tls: { ...tls.server, clientCa: authority.cert },
  });
  await pool.start();
  const wrong = connectTls({ ...pool.address, rejectUnauthorized: false }).on('error', () => {});
  const failed = nextEvent<HandshakeFailedEvent>(pool, 'handshakeFailed');
  let received = 0;
  wrong.on('data', (data: Buffer) => (received += data.length));
  t.is((await failed).error.code, 'POOLD_ERR_DIAL');
  const right = connectTls({ ...pool.address, rejectUnauthorized: false, ...certificate });
  const [tag] = (await once(right, 'data')) as [Buffer];
  t.is(tag.length, 8);
  t.is(received, 0);
  right.destroy();
});

test('options that make no sense are refused by name', (t) => {
  const option = (options: object): string | undefined =>
    t.throws(() => new ServerPool(options as never), { code: 'POOLD_ERR_INVALID_OPTION' })?.message.split(':')[0];
  t.is(option({}), 'listen');
  t.is(option({ listen: LISTEN, server: createServer() }), 'listen');
  t.is(option({ listen: '127.0.0.1' }), 'listen');
  t.is(option({ listen: LISTEN, maxCapacity: 0 }), 'maxCapacity');
  t.is(option({ listen: LISTEN, keepAliveMs: 10 }), 'keepAliveMs');
  t.is(option({ listen: LISTEN, allow: ['10.0.0.0/99'] }), 'allow');
  t.is(option({ listen: LISTEN, tls: { mode: 3 } }), 'tls.mode');
  t.is(option({ listen: LISTEN, tls: { mode: 2 } }), 'tls.cert');
  t.is(option({ listen: LISTEN, token: '' }), 'token');
  t.is(option({ listen: '0.0.0.0:0' }), 'token');
  t.is(option({ listen: '0.0.0.0:0', token: 'short' }), 'token');
  t.is(option({ listen: LISTEN, session: false, token: TOKEN }), 'token');
  t.is(option({ listen: '0.0.0.0:0', session: false, token: TOKEN }), 'token');
  t.is(option({ listen: LISTEN, tunnel: 'not a name' }), 'tunnel');
  t.is(option({ listen: LISTEN, maxHandshake: 3 }), 'maxHandshake');
});

test('peers that reset their connection before it is accepted break nothing', async (t) => {
  for (const mode of [0, 1] as const) {
    await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode } });
    await pool.start();
    const { port = 0 } = pool.address ?? {};
    connectAndReset(port);
    await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, tls: { mode }, minCapacity: 1 });
    await client.start();
    await client.warmed(1);
    await until(() => pool.arriving === 0, 'nobody is under way');
    t.is(pool.size, 1);
  }
});

test('a visitor’s address that the other side would not take is refused here', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  t.throws(() => pool.tryOpenVisit({ remote: 'somewhere', local: 'unix' }), { message: /^remote: "somewhere"/ });
  await t.throwsAsync(pool.openVisit({ remote: 'unix', local: '' }), { code: 'POOLD_ERR_INVALID_OPTION' });
});

test('a visit whose other side says nothing any more ends after the stall timeout', async (t) => {
  const time = manualClock();
  const tls = { mode: 0 } as const;
  await using pool = new ServerPool({
    listen: LISTEN,
    tls,
    keepAliveMs: 1000,
    stallTimeoutMs: 5000,
    clock: time.clock,
  });
  await pool.start();
  const onVisit = (visit: Visit): void => {
    visit.accept();
    visit.pause();
  };
  await using client = new ClientPool({ dial: pool.address ?? '', tls, minCapacity: 1, onVisit });
  await client.start();
  const visit = await pool.openVisit({ remote: 'unix', local: 'unix' });
  const log = new VisitLog(visit);
  await until(() => log.heard.includes('opened'), 'it is open');
  await time.advance(6000);
  t.false(visit.over);
  await time.advance(2000);
  t.true(visit.over);
  t.is(log.resetCode, ResetCode.internal);
});

test('a pool that is closed while it starts does not listen', async (t) => {
  const pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  const starting = pool.start();
  await pool.close();
  await starting;
  t.is(pool.address, undefined);
});
