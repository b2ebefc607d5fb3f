import test from 'ava';
import { Servers, type ServerOption } from '../../src/client/servers.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { a, startDns } from '../helpers/dns-server.ts';
import { until } from '../helpers/events.ts';
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
  const visitor = { remote: '127.0.0.1:1', local: '127.0.0.1:2' };
  t.is(servers.tryOpenVisit(visitor), undefined);
  const visit = servers.openVisit(visitor, { timeoutMs: 10_000 });
  answer([{ address: '127.0.0.1', ttl: 60 }]);
  t.false((await visit).over);
  servers.destroy();
});

test('the same server twice, and names that cannot be verified, are refused by name', (t) => {
  t.throws(() => serversOf(['127.0.0.1:1', '127.0.0.1:1']), { message: /^dial: .*127\.0\.0\.1:1.*twice/ });
  t.throws(() => serversOf([]), { message: /^dial: wants at least one/ });
  t.throws(() => serversOf(['srv:nothing']), { message: /^dial: "srv:nothing" is not a service/ });
  const pool = { tls: { mode: 2 }, token: TOKEN };
  t.throws(() => serversOf(['dns:tunnel.test:1'], { pool }), { message: /^tls\.hostname: is needed/ });
});
