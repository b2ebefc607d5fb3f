import test from 'ava';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';

const QUICK = { intervalMs: 10, rise: 2, fall: 2 };

test('a server that is ill by its own word gets no requests until it is well', async (t) => {
  let well = true;
  let asked = 0;
  await using flapping = await startHttp((one, response) => {
    if (one.url === '/healthz') response.writeHead(well ? 200 : 503).end();
    else {
      asked += 1;
      response.end('flapping');
    }
  });
  await using steady = await startHttp('steady');
  await using balancer = await startBalancer([flapping, steady], { health: { path: '/healthz', ...QUICK } });
  for (let round = 0; round < 3; round += 1) {
    const down = nextEvent<{ server: string; error: Error }>(balancer, 'serverDown');
    well = false;
    const { server, error } = await down;
    t.is(server, `127.0.0.1:${flapping.port}`);
    t.regex(error.message, /answered with 503/);
    const before = asked;
    for (let at = 0; at < 5; at += 1) t.is((await askHttp(balancer.port, '/')).body, 'steady');
    t.is(asked, before);
    const up = nextEvent(balancer, 'serverUp');
    well = true;
    await up;
    await askHttp(balancer.port, '/');
    await askHttp(balancer.port, '/');
    t.is(asked, before + 1);
  }
});

test('when all servers are ill, requests go to them all the same', async (t) => {
  await using one = await startHttp((asked, response) => {
    response.writeHead(asked.url === '/healthz' ? 503 : 200).end('ill');
  });
  await using balancer = await startBalancer([one], { health: { path: '/healthz', ...QUICK } });
  await nextEvent(balancer, 'serverDown');
  t.false(balancer.ready);
  t.is((await askHttp(balancer.port, '/')).body, 'ill');
});

test('when all servers are ill, each has its share', async (t) => {
  const ill = (name: string) =>
    startHttp((asked, response) => {
      response.writeHead(asked.url === '/healthz' ? 503 : 200).end(name);
    });
  await using one = await ill('one');
  await using two = await ill('two');
  await using three = await ill('three');
  await using balancer = await startBalancer([one, two, three], { health: { path: '/healthz', ...QUICK } });
  await until(() => balancer.stats().servers.every(({ up }) => !up), 'all are out');
  const bodies = [];
  for (let at = 0; at < 6; at += 1) bodies.push((await askHttp(balancer.port, '/')).body);
  t.deepEqual(bodies.toSorted(), ['one', 'one', 'three', 'three', 'two', 'two']);
});

test('the first check of a server decides, and other rules make nobody well', async (t) => {
  let asked = 0;
  await using ill = await startHttp((one, response) => {
    if (one.url !== '/healthz') asked += 1;
    response.writeHead(503).end('ill');
  });
  await using steady = await startHttp('steady');
  const health = { path: '/healthz', intervalMs: 1_000_000, fall: 3 };
  await using balancer = await startBalancer([ill, steady], { health });
  await until(() => balancer.stats().servers[0]?.up === false, 'the ill one is out');
  const servers = [`127.0.0.1:${ill.port}`, `127.0.0.1:${steady.port}`];
  balancer.setRules({ servers, health, timeoutMs: 5000 });
  t.false(balancer.stats().servers[0]?.up);
  for (let at = 0; at < 4; at += 1) t.is((await askHttp(balancer.port, '/')).body, 'steady');
  t.is(asked, 0);
});

test('least-in-use: who is slow gets less', async (t) => {
  const waiting: (() => void)[] = [];
  await using slow = await startHttp((_, response) => void waiting.push(() => response.end('slow')));
  await using quick = await startHttp('quick');
  await using balancer = await startBalancer([slow, quick], { strategy: 'least-in-use' });
  const first = askHttp(balancer.port, '/');
  await until(() => waiting.length === 1, 'the slow one has a request');
  for (let at = 0; at < 5; at += 1) t.is((await askHttp(balancer.port, '/')).body, 'quick');
  waiting[0]?.();
  t.is((await first).body, 'slow');
});

test('servers come and go while it runs, and what is on goes on', async (t) => {
  const waiting: (() => void)[] = [];
  await using old = await startHttp((_, response) => void waiting.push(() => response.end('old')));
  await using stays = await startHttp('stays');
  await using young = await startHttp('new');
  await using balancer = await startBalancer([old, stays]);
  const first = askHttp(balancer.port, '/');
  await until(() => waiting.length === 1, 'the request is there');
  const name = (target: { readonly port: number }): string => `127.0.0.1:${target.port}`;
  balancer.setRules({ servers: [name(stays), name(young)] });
  const bodies = [];
  for (let at = 0; at < 4; at += 1) bodies.push((await askHttp(balancer.port, '/')).body);
  t.deepEqual(bodies.toSorted(), ['new', 'new', 'stays', 'stays']);
  t.deepEqual(
    balancer.stats().servers.map(({ server }) => server),
    [name(stays), name(young)],
  );
  t.throws(() => balancer.setRules({ servers: ['https://a'] }), { code: 'POOLD_ERR_INVALID_OPTION' });
  waiting[0]?.();
  t.is((await first).body, 'old');
  await until(() => old.sockets.size === 0, 'its connections are closed');
});

test('a change of what holds for each server renews them all, without a request lost', async (t) => {
  await using one = await startHttp('one');
  await using balancer = await startBalancer([one], { maxConnections: 1 });
  const servers = [`127.0.0.1:${one.port}`];
  const stop = new AbortController();
  const bad: number[] = [];
  const clients = Array.from({ length: 8 }, async () => {
    while (!stop.signal.aborted) {
      const { status } = await askHttp(balancer.port, '/');
      if (status !== 200) bad.push(status);
    }
  });
  for (let at = 1; at < 20; at += 1) {
    const { opened } = balancer.stats().requests;
    await until(() => balancer.stats().requests.opened > opened + 5, 'requests come');
    balancer.setRules({ servers, maxConnections: 1 + (at % 3) });
  }
  stop.abort();
  await Promise.all(clients);
  t.deepEqual(bad, []);
});
