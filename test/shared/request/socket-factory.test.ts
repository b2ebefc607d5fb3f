import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo, Socket } from 'node:net';
import test from 'ava';
import { PoolGroup } from '../../../src/shared/group/pool-group.ts';
import type { Resource } from '../../../src/shared/request/resource.ts';
import { ResourcePool } from '../../../src/shared/request/resource-pool.ts';
import { socketFactory } from '../../../src/shared/request/socket-factory.ts';
import { testCertificates } from '../../helpers/certificates.ts';
import { until } from '../../helpers/events.ts';
import { freePort } from '../../helpers/targets.ts';
import { type LineServer, startLineServer } from '../../helpers/line-server.ts';

const poolTo = ({ port }: { port: number }) =>
  new ResourcePool<Socket>({ factory: socketFactory({ host: '127.0.0.1', port }) });

async function ask(socket: Socket, line: string): Promise<string> {
  socket.write(`${line}\n`);
  const [answer] = (await once(socket.resume(), 'data')) as [Buffer];
  socket.pause();
  return answer.toString();
}

async function theOnly(server: LineServer): Promise<Socket> {
  await until(() => server.sockets.size === 1, 'the server has a connection');
  const [socket] = server.sockets;
  if (socket === undefined) throw new Error('it has gone again');
  return socket;
}

test('a socket is used again by the next borrower', async (t) => {
  await using server = await startLineServer();
  await using pool = poolTo(server);
  for (const line of ['one', 'two']) {
    t.is(await pool.use(({ value }) => ask(value, line)), `${line}\n`);
  }
  t.is(server.accepted, 1);
});

test('bytes that arrive on an idle socket cost it', async (t) => {
  await using server = await startLineServer();
  await using pool = poolTo(server);
  await pool.use(() => {});
  (await theOnly(server)).write('nobody asked\n');
  await until(() => pool.idle === 0, 'the pool has noticed');
  t.is(await pool.use(({ value }) => ask(value, 'mine')), 'mine\n');
  t.is(server.accepted, 2);
});

test('bytes left unread at the release cost the socket', async (t) => {
  await using server = await startLineServer();
  await using pool = poolTo(server);
  await pool.use(async ({ value }) => {
    value.write('left\n');
    await once(value, 'readable');
    t.true(value.readableLength > 0);
  });
  t.is(pool.idle, 0);
  t.is(await pool.use(({ value }) => ask(value, 'mine')), 'mine\n');
});

test('an idle socket that the other side closes leaves the pool', async (t) => {
  await using server = await startLineServer();
  await using pool = poolTo(server);
  await pool.use(() => {});
  t.is(pool.idle, 1);
  (await theOnly(server)).end();
  await until(() => pool.size === 0, 'the pool has noticed');
  t.pass();
});

test('a group of such pools works at another node when one cannot be reached', async (t) => {
  await using server = await startLineServer();
  const ports: Readonly<Record<string, number>> = { away: await freePort(), here: server.port };
  await using group = new PoolGroup<Resource<Socket>, ResourcePool<Socket>>({
    create: ({ name }) => poolTo({ port: ports[name] ?? 0 }),
    nodes: [{ name: 'away' }, { name: 'here' }],
    strategy: 'failover',
    healthCheck: false,
  });
  t.is(await group.executeOnAny(({ value }) => ask(value, 'anyone')), 'anyone\n');
});

test('a connect that is refused says so', async (t) => {
  const pool = poolTo({ port: await freePort() });
  const error = await t.throwsAsync(pool.acquire(), { code: 'POOLD_ERR_RESOURCE' });
  t.like(error, { cause: { code: 'ECONNREFUSED' } });
  pool.destroy();
});

test('TLS is verified as its options have it', async (t) => {
  const { authority, localhost } = await testCertificates();
  const server = createTlsServer(localhost, (socket) => socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const poolWith = (tls: object) =>
    new ResourcePool<Socket>({ factory: socketFactory({ host: '127.0.0.1', port, tls }) });
  const trusting = poolWith({ ca: authority.cert, servername: 'localhost' });
  t.is(await trusting.use(({ value }) => ask(value, 'safe')), 'safe\n');
  trusting.destroy();
  const strict = poolWith({ servername: 'localhost' });
  await t.throwsAsync(strict.acquire(), { code: 'POOLD_ERR_RESOURCE' });
  strict.destroy();
});

test('with TLS a server is told its name, and an address is no name', async (t) => {
  const { localhost } = await testCertificates();
  const told: unknown[] = [];
  const server = createTlsServer(localhost, (socket) => {
    told.push(socket.servername);
    socket.destroy();
  });
  server.listen(0);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const host of ['localhost', '127.0.0.1']) {
    const pool = new ResourcePool<Socket>({
      factory: socketFactory({ host, port, tls: { rejectUnauthorized: false } }),
    });
    const { length } = told;
    await pool.use(() => until(() => told.length > length, 'it has been accepted'));
    pool.destroy();
  }
  t.deepEqual(told, ['localhost', false]);
});
