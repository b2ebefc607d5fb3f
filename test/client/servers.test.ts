import test from 'ava';
import { Servers, type ServerOption } from '../../src/client/servers.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { NameResolver } from '../../src/shared/group/name-lookup.ts';
import type { Visit } from '../../src/shared/session/visit.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { manualClock } from '../helpers/clock.ts';
import { a, startDns } from '../helpers/dns-server.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN } from '../helpers/pair.ts';
import { freePort } from '../helpers/targets.ts';

const serversOf = (servers: readonly ServerOption[], more: object = {}): Servers =>
  new Servers({
    servers,
    strategy: 'round-robin',
    pool: { tls: { mode: 0 }, token: TOKEN, minCapacity: 1 },
    clock: systemClock,
    ...more,
  });

test('a name that has a server which is also given by its address adds the others', async (t) => {
  await using dns = await startDns(a('tunnel.test', 60, '127.0.0.1', '127.0.0.2'));
  const port = await freePort();
  await using one = new ServerPool({ listen: `127.0.0.1:${port}`, tls: { mode: 0 }, token: TOKEN });
  await using two = new ServerPool({ listen: `127.0.0.2:${port}`, tls: { mode: 0 }, token: TOKEN });
  await Promise.all([one.start(), two.start()]);
  const faults: string[] = [];
  const servers = serversOf([`127.0.0.1:${port}`, `dns:tunnel.test:${port}`], { resolver: dns.resolver });
  servers.on('fault', ({ error }) => faults.push(error.message));
  await servers.start();
  await until(() => one.idle > 0 && two.idle > 0, 'both are connected');
  t.deepEqual(
    servers.entries.map(({ server }) => server),
    [`127.0.0.1:${port}`, `127.0.0.2:${port}`],
  );
  t.deepEqual(faults, []);
  servers.destroy();
});

test('a visitor who comes before the first answer of the DNS is served when it is there', async (t) => {
  await using server = new ServerPool({ listen: '127.0.0.1:0', tls: { mode: 0 }, token: TOKEN, opener: 'client' });
  await server.start();
  let answer: (records: { address: string; ttl: number }[]) => void = () => {};
  const resolver = {
    resolve4: () => new Promise<{ address: string; ttl: number }[]>((resolve) => (answer = resolve)),
    resolve6: () => Promise.resolve([]),
    resolveSrv: () => Promise.resolve([]),
  };
  const servers = serversOf([`dns:tunnel.test:${server.address?.port}`], { resolver });
  await servers.start();
  t.is(servers.tryOpenVisit(VISITOR), undefined);
  const visit = servers.openVisit(VISITOR, { timeoutMs: 10_000 });
  answer([{ address: '127.0.0.1', ttl: 60 }]);
  t.false((await visit).over);
  servers.destroy();
});

const VISITOR = { remote: '127.0.0.1:1', local: '127.0.0.1:2' };

/** A resolver that answers what `ips` holds, for five seconds. */
const answering = (ips: readonly string[]): NameResolver => ({
  resolve4: () => Promise.resolve(ips.map((address) => ({ address, ttl: 5 }))),
  resolve6: () => Promise.resolve([]),
  resolveSrv: () => Promise.resolve([]),
});

test('the order given is kept: a name before an address comes first', async (t) => {
  const resolver = answering(['127.0.0.3', '127.0.0.2']);
  const servers = serversOf(['127.0.0.1:1', 'dns:tunnel.test:1', '127.0.0.4:1'], { resolver });
  await servers.start();
  await until(() => servers.group.nodes.length === 4, 'the name is looked up');
  t.deepEqual(
    servers.group.nodes.map(({ name }) => name),
    ['127.0.0.1:1', '127.0.0.2:1', '127.0.0.3:1', '127.0.0.4:1'],
  );
  t.deepEqual(servers.names, ['dns:tunnel.test:1']);
  servers.destroy();
});

for (const opener of ['client', 'server'] as const) {
  test(`a server that its name does not have any more is left when its visits end (opened by the ${opener})`, async (t) => {
    const port = await freePort();
    const visits: Visit[] = [];
    const served = (visit: Visit): void => {
      visit.accept();
      visits.push(visit);
    };
    const serverAt = (host: string): ServerPool =>
      new ServerPool({ listen: `${host}:${port}`, tls: { mode: 0 }, token: TOKEN, opener, onVisit: served });
    await using one = serverAt('127.0.0.1');
    await using two = serverAt('127.0.0.2');
    await Promise.all([one.start(), two.start()]);
    const time = manualClock();
    const ips = ['127.0.0.1'];
    const pool = { tls: { mode: 0 }, token: TOKEN, minCapacity: 1, opener, onVisit: served, clock: systemClock };
    const servers = serversOf([`dns:tunnel.test:${port}`], { resolver: answering(ips), clock: time.clock, pool });
    const removed = nextEvent(servers.group, 'nodeRemoved');
    await servers.start();
    await until(() => one.idle > 0, 'the first is connected');
    const visit = opener === 'client' ? await servers.openVisit(VISITOR) : await one.openVisit(VISITOR);
    await until(() => visits.length === 1, 'the visit is served');
    ips[0] = '127.0.0.2';
    await time.advance(5000);
    await until(() => two.idle > 0, 'the second is connected');
    await time.advance(24 * 3600 * 1000);
    t.deepEqual([visit.over, one.inUse, servers.entries.length], [false, 1, 2]);
    visit.end();
    visits[0]?.end();
    await removed;
    t.deepEqual([visit.over, servers.entries.length], [true, 1]);
    servers.destroy();
  });
}

test('a server that was away is healthy again with its first connection, not with its next check', async (t) => {
  const port = await freePort();
  const time = manualClock();
  const pool = { tls: { mode: 0 }, token: TOKEN, minCapacity: 1, opener: 'server', clock: systemClock };
  const servers = serversOf([`127.0.0.1:${port}`], { clock: time.clock, pool, healthIntervalMs: 1000 });
  await servers.start();
  const [entry] = servers.entries;
  await nextEvent(entry?.pool as never, 'dialFailed');
  const unhealthy = nextEvent<{ error: Error }>(servers.group, 'nodeUnhealthy');
  await time.advance(3000);
  t.regex((await unhealthy).error.message, /^there is no connection to 127\.0\.0\.1:/);
  const healthy = nextEvent(servers.group, 'nodeHealthy');
  await using server = new ServerPool({ listen: `127.0.0.1:${port}`, tls: { mode: 0 }, token: TOKEN });
  await server.start();
  await healthy;
  t.is(servers.group.fit, 1);
  servers.destroy();
});

test('a server at which no connection is wanted is well, until a dial fails', async (t) => {
  const port = await freePort();
  const time = manualClock();
  const pool = { tls: { mode: 0 }, token: TOKEN, minCapacity: 0, opener: 'client', clock: systemClock };
  const servers = serversOf([`127.0.0.1:${port}`], { clock: time.clock, pool, healthIntervalMs: 1000 });
  const heard: string[] = [];
  servers.group.on('nodeUnhealthy', ({ node }) => heard.push(node));
  await servers.start();
  await time.advance(10_000);
  t.deepEqual(heard, []);
  const refused = t.throwsAsync(servers.openVisit(VISITOR, { timeoutMs: 60_000 }), { code: 'POOLD_ERR_POOL_CLOSED' });
  await nextEvent(servers.entries[0]?.pool as never, 'dialFailed');
  await time.advance(3000);
  t.deepEqual(heard, [`127.0.0.1:${port}`]);
  servers.destroy();
  await refused;
});

test('when one server drains, another that its breaker held back is dialled, though a visit still goes on', async (t) => {
  const ports = [await freePort(), await freePort()];
  const serverAt = (port = 0): ServerPool =>
    new ServerPool({ listen: `127.0.0.1:${port}`, tls: { mode: 0 }, token: TOKEN, opener: 'client', onVisit: accept });
  const accept = (visit: Visit): void => visit.accept();
  await using staying = serverAt(ports[1]);
  await staying.start();
  const servers = serversOf(
    ports.map((port) => `127.0.0.1:${port}`),
    { breaker: { failures: 2, openMs: 1_000_000, maxOpenMs: 1_000_000 } },
  );
  const held = nextEvent<{ retryInMs: number }>(
    servers.entries[0]?.pool as never,
    'dialFailed',
    ({ retryInMs }) => retryInMs > 100_000,
  );
  await servers.start();
  const visit = await servers.openVisit(VISITOR);
  await held;
  await until(() => staying.inUse === 1, 'the visit has come');
  await using coming = serverAt(ports[0]);
  await coming.start();
  const drained = staying.close({ graceMs: 60_000 });
  await until(() => coming.idle > 0, 'the first server is connected');
  t.false(visit.over);
  visit.end();
  servers.destroy();
  await drained;
});

test('those who wait at several servers have each make its share of the connections', async (t) => {
  const target = (visit: Visit): void => visit.accept();
  const serverOf = (): ServerPool =>
    new ServerPool({ listen: '127.0.0.1:0', tls: { mode: 0 }, token: TOKEN, opener: 'client', onVisit: target });
  await using one = serverOf();
  await using two = serverOf();
  await Promise.all([one.start(), two.start()]);
  const pool = { tls: { mode: 0 }, token: TOKEN, minCapacity: 0, maxConnecting: 64, opener: 'client' };
  const servers = serversOf([one.address, two.address] as ServerOption[], { pool });
  await servers.start();
  const visits = await Promise.all(Array.from({ length: 40 }, () => servers.openVisit(VISITOR)));
  const made = servers.entries.map((entry) => entry.pool.size);
  t.true(Math.max(...made) <= 30, `${made.join(' and ')} connections for 40 visitors`);
  for (const visit of visits) visit.end();
  servers.destroy();
});

test('events and errors of each pool name its server', async (t) => {
  const servers = serversOf(['127.0.0.1:1', '127.0.0.1:2']);
  t.deepEqual(
    servers.entries.map(({ pool }) => pool.name),
    ['client 127.0.0.1:1', 'client 127.0.0.1:2'],
  );
  servers.destroy();
  await t.throwsAsync(servers.entries[1]?.pool.acquire() as Promise<unknown>, {
    message: /^pool client 127.0.0.1:2 is/,
  });
});

test('no more visitors wait than maxWaiting, whatever the number of servers', async (t) => {
  const pool = { tls: { mode: 0 }, token: TOKEN, maxWaiting: 1, opener: 'client' };
  const servers = serversOf(['127.0.0.1:1', '127.0.0.1:2'], { pool });
  const waiting = t.throwsAsync(servers.openVisit(VISITOR), { code: 'POOLD_ERR_POOL_CLOSED' });
  await t.throwsAsync(servers.openVisit(VISITOR), { code: 'POOLD_ERR_QUEUE_FULL', message: /maxWaiting 1/ });
  servers.destroy();
  await waiting;
});

test('a tunnel client hands on how its servers are found and judged', async (t) => {
  const pool = { dial: 'dns:tunnel.test:1', tls: { mode: 0 as const }, token: TOKEN, minCapacity: 0 };
  const group = { resolver: answering(['127.0.0.1']), breaker: { failures: 1 }, healthIntervalMs: 1000 };
  await using client = new TunnelClient({ pool, local: '127.0.0.1:0', group });
  await client.start();
  await until(() => client.servers.group.nodes.length === 1, 'its resolver is asked');
  t.is(client.servers.group.nodes[0]?.name, '127.0.0.1:1');
  const refuse = (wrong: object) => () => new TunnelClient({ pool, local: '127.0.0.1:0', group: wrong });
  t.throws(refuse({ breaker: { failures: 0 } }), { message: /^group\.breaker\.failures: wants/ });
  t.throws(refuse({ health: 1 }), { message: /^group\.health: unknown option/ });
});

test('the same server twice, and names that cannot be verified, are refused by name', (t) => {
  t.throws(() => serversOf(['127.0.0.1:1', '127.0.0.1:1']), { message: /^dial: .*127\.0\.0\.1:1.*twice/ });
  const nothing = { code: 'POOLD_ERR_INVALID_OPTION', message: /^dial: wants host:port, an address or a function/ };
  for (const none of [undefined, null, 7, ['127.0.0.1:1']]) t.throws(() => serversOf([none as never]), nothing);
  t.throws(() => serversOf([]), { message: /^dial: wants at least one/ });
  t.throws(() => serversOf(['srv:nothing']), { message: /^dial: "srv:nothing" is not a service/ });
  const pool = { tls: { mode: 2 }, token: TOKEN };
  t.throws(() => serversOf(['dns:tunnel.test:1'], { pool }), { message: /^tls\.hostname: is needed/ });
});

test('a token that is replaced is proved to servers that are found later, too; a bad one is refused by all', async (t) => {
  const token = 'a newer token, long enough';
  await using one = new ServerPool({ listen: '127.0.0.1:0', tls: { mode: 0 }, token: [TOKEN, token] });
  await one.start();
  const port = one.address?.port ?? 0;
  await using two = new ServerPool({ listen: `127.0.0.2:${port}`, tls: { mode: 0 }, token });
  await two.start();
  const time = manualClock();
  const ips = ['127.0.0.1'];
  const servers = serversOf([`dns:tunnel.test:${port}`], { resolver: answering(ips), clock: time.clock });
  await servers.start();
  await until(() => one.idle > 0, 'the first is connected');
  await t.throwsAsync(servers.setToken('short'), { message: /token: wants at least 16/ });
  await servers.setToken(token);
  ips.push('127.0.0.2');
  await time.advance(6000);
  await until(() => two.idle > 0, 'the second is connected');
  servers.destroy();
});

test('authorities that are replaced are trusted with servers that are found later, too; what is none changes nothing', async (t) => {
  const { authority, localhost, stranger } = await testCertificates();
  const tls = { mode: 2, ca: stranger.cert, hostname: 'localhost' } as const;
  await using server = new ServerPool({ listen: '127.0.0.1:0', tls: { mode: 2, ...localhost }, token: TOKEN });
  await server.start();
  const pool = { tls, token: TOKEN, minCapacity: 1 };
  const ips: string[] = [];
  const time = manualClock();
  const servers = serversOf([`dns:tunnel.test:${server.address?.port}`], {
    resolver: answering(ips),
    clock: time.clock,
    pool,
  });
  await servers.start();
  t.throws(() => servers.setTls({ ca: 'nothing' }), { message: /tls\.ca/ });
  servers.setTls({ ca: authority.cert });
  ips.push('127.0.0.1');
  await time.advance(60_000);
  await until(() => server.idle > 0, 'it is trusted');
  servers.destroy();
});
