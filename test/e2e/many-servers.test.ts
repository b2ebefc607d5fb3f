import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { TunnelClient, type TunnelClientOptions } from '../../src/client/tunnel-client.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { TunnelServer } from '../../src/server/tunnel-server.ts';
import { until } from '../helpers/events.ts';
import { ask, TOKEN } from '../helpers/pair.ts';
import { freePort, startNamed } from '../helpers/targets.ts';

/** A server on a fixed port, so that it can come back. */
async function startServer(port: number, end: { target: number } | 'public'): Promise<TunnelServer> {
  const opener = end === 'public' ? 'server' : 'client';
  const pool = new ServerPool({ listen: `127.0.0.1:${port}`, tls: { mode: 0 }, token: TOKEN, opener });
  const exit = end === 'public' ? { public: '127.0.0.1:0' } : { target: `${end.target}` };
  const server = new TunnelServer({ pool, ...exit });
  await server.start();
  return server;
}

/** As if the process had been killed. */
const kill = (server: TunnelServer): Promise<void> => {
  server.pool.destroy();
  return server.close({ graceMs: 0 });
};

const visit = ({ address }: TunnelServer | TunnelClient): Socket =>
  connect({ ...(address ?? { port: 0 }), allowHalfOpen: true });

/** A client of so many servers, warm at each. */
async function startClient(ports: readonly number[], options: Partial<TunnelClientOptions>): Promise<TunnelClient> {
  const client = new TunnelClient({
    pool: { dial: ports.map((port) => `127.0.0.1:${port}`), tls: { mode: 0 }, token: TOKEN, minCapacity: 4 },
    ...options,
  });
  await client.start();
  await Promise.all(client.servers.entries.map(({ pool }) => pool.warmed(4)));
  return client;
}

test('reverse: visitors of each server are served; one that dies and comes back is warm again, the other notices nothing', async (t) => {
  await using target = await startNamed('served');
  const ports = [await freePort(), await freePort()];
  const first = await startServer(ports[0] ?? 0, 'public');
  await using second = await startServer(ports[1] ?? 0, 'public');
  await using client = await startClient(ports, { target: `${target.port}` });
  t.is(await ask(visit(first), ''), 'served');
  t.is(await ask(visit(second), ''), 'served');
  const staying = visit(second);
  await once(staying, 'data');
  await kill(first);
  await until(() => client.servers.entries[0]?.pool.inUse === 0, 'the client has noticed');
  for (let n = 0; n < 10; n += 1) t.is(await ask(visit(second), ''), 'served');
  staying.end();
  await once(staying, 'end');
  await using again = await startServer(ports[0] ?? 0, 'public');
  await again.pool.warmed(4);
  t.is(await ask(visit(again), ''), 'served');
});

test('forward: visitors go to each server in turn; when one dies those of the other go on, and new ones go there', async (t) => {
  await using one = await startNamed('one');
  await using two = await startNamed('two');
  const ports = [await freePort(), await freePort()];
  const first = await startServer(ports[0] ?? 0, { target: one.port });
  await using second = await startServer(ports[1] ?? 0, { target: two.port });
  t.truthy(second.pool.address);
  await using client = await startClient(ports, { local: '127.0.0.1:0' });
  const answers: string[] = [];
  for (let n = 0; n < 4; n += 1) answers.push(await ask(visit(client), ''));
  t.deepEqual(answers.toSorted(), ['one', 'one', 'two', 'two']);
  await kill(first);
  for (let n = 0; n < 10; n += 1) {
    // A visit may have begun before the client could notice.
    t.is(await ask(visit(client), '').catch(() => 'two'), 'two');
  }
  await using again = await startServer(ports[0] ?? 0, { target: one.port });
  await again.pool.warmed(4);
  const after = [await ask(visit(client), ''), await ask(visit(client), '')];
  t.deepEqual(after.toSorted(), ['one', 'two']);
});

test('forward: failover keeps to the first server, turns to the second, and goes back', async (t) => {
  await using one = await startNamed('one');
  await using two = await startNamed('two');
  const ports = [await freePort(), await freePort()];
  const first = await startServer(ports[0] ?? 0, { target: one.port });
  await using second = await startServer(ports[1] ?? 0, { target: two.port });
  t.truthy(second.pool.address);
  await using client = await startClient(ports, { local: '127.0.0.1:0', serverStrategy: 'failover' });
  const answer = (): Promise<string> => ask(visit(client), '');
  t.deepEqual([await answer(), await answer()], ['one', 'one']);
  await kill(first);
  await until(() => client.servers.entries[0]?.pool.idle === 0, 'the client has noticed');
  t.deepEqual([await answer(), await answer()], ['two', 'two']);
  await using again = await startServer(ports[0] ?? 0, { target: one.port });
  await again.pool.warmed(1);
  await until(() => (client.servers.entries[0]?.pool.idle ?? 0) > 0, 'the first is back');
  t.is(await answer(), 'one');
});

test('forward: a visitor whose target is down behind one server is served by the other', async (t) => {
  await using two = await startNamed('two');
  const ports = [await freePort(), await freePort()];
  await using first = await startServer(ports[0] ?? 0, { target: await freePort() });
  await using second = await startServer(ports[1] ?? 0, { target: two.port });
  t.truthy(first.pool.address && second.pool.address);
  await using client = await startClient(ports, { local: '127.0.0.1:0', serverStrategy: 'failover' });
  t.is(await ask(visit(client), ''), 'two');
});

test('forward: a visitor who finds nothing idle anywhere is served by whichever server is first', async (t) => {
  await using one = await startNamed('one');
  const ports = [await freePort(), await freePort()];
  const client = new TunnelClient({
    pool: { dial: ports.map((port) => `127.0.0.1:${port}`), tls: { mode: 0 }, token: TOKEN },
    local: '127.0.0.1:0',
  });
  await client.start();
  const answer = ask(visit(client), '');
  await using server = await startServer(ports[1] ?? 0, { target: one.port });
  t.is(await answer, 'one');
  t.truthy(server.pool.address);
  await client.close({ graceMs: 0 });
});

test('forward: visitors whose target is down at one server are served by the other, those beyond what is idle there, too', async (t) => {
  await using target = await startNamed('served');
  const ports = [await freePort(), await freePort()];
  await using broken = await startServer(ports[0] ?? 0, { target: await freePort() });
  await using whole = await startServer(ports[1] ?? 0, { target: target.port });
  await using client = await startClient(ports, { local: '127.0.0.1:0', serverStrategy: 'round-robin' });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(visit(client), '')));
  t.deepEqual(new Set(answers), new Set(['served']));
  t.is(whole.targetStats().length + broken.targetStats().length, 2);
});
