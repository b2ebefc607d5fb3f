import type { Socket } from 'node:net';
import test from 'ava';
import { balancerOptions } from '../../src/balancer/balancer-options.ts';
import type { ServerConnection } from '../../src/balancer/server-connection.ts';
import { ServerConnections } from '../../src/balancer/server-connections.ts';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';

const POST = { method: 'POST', headers: { 'content-length': 0 } };

/** A server that resets a connection when a second request comes on it, as if it had closed it just then. */
async function startClosing() {
  const used = new Set<Socket>();
  /** What POSTs said of their connection. */
  const posts: (string | undefined)[] = [];
  const held: (() => void)[] = [];
  const target = await startHttp(({ socket, method, url, headers }, response) => {
    if (method === 'POST') posts.push(headers.connection);
    if (used.has(socket)) {
      socket.resetAndDestroy();
      return;
    }
    used.add(socket);
    socket.once('close', () => used.delete(socket));
    if (url === '/held') held.push(() => response.end('served'));
    else response.end('served');
  });
  /** Has a balancer keep so many connections to it. */
  const keep = async (count: number, port: number): Promise<void> => {
    const answers = Array.from({ length: count }, () => askHttp(port, '/held'));
    await until(() => held.length === count, 'they are there at the same time');
    for (const end of held.splice(0)) end();
    await Promise.all(answers);
  };
  return { ...target, used, posts, keep, [Symbol.asyncDispose]: () => target.kill() };
}

test('a GET that meets the end of kept connections is served, and nothing is held against the server', async (t) => {
  await using target = await startClosing();
  await using balancer = await startBalancer([target], { retries: 0 });
  await target.keep(4, balancer.port);
  for (let at = 0; at < 4; at += 1) t.is((await askHttp(balancer.port, '/')).status, 200);
  const { requests, servers } = balancer.stats();
  t.is(requests.retries, 0);
  t.deepEqual([servers[0]?.up, servers[0]?.failed, servers[0]?.total, servers[0]?.inUse], [true, 0, 8, 0]);
});

test('a request that fails on a connection of its own has failed, however many were kept', async (t) => {
  let asked = 0;
  await using target = await startHttp((_, response) => {
    asked += 1;
    if (asked === 1) response.end('served');
    else response.socket?.resetAndDestroy();
  });
  await using balancer = await startBalancer([target], { retries: 1 });
  t.is((await askHttp(balancer.port, '/')).status, 200);
  t.is((await askHttp(balancer.port, '/')).status, 502);
  // On the kept one, on one of its own, and the one try that was left to it.
  t.is(asked, 4);
});

test('what must not be repeated gets connections of its own at a server that closes kept ones', async (t) => {
  const time = manualClock();
  await using target = await startClosing();
  await using balancer = await startBalancer([target], { clock: time.clock });
  await target.keep(3, balancer.port);
  t.is((await askHttp(balancer.port, '/', POST)).status, 502);
  t.deepEqual(target.posts, ['keep-alive']);
  t.is(balancer.stats().servers[0]?.failed, 1);
  t.is((await askHttp(balancer.port, '/', POST)).status, 200);
  t.deepEqual(target.posts, ['keep-alive', 'close']);
  await time.advance(60_000);
  await askHttp(balancer.port, '/', POST);
  t.deepEqual(target.posts, ['keep-alive', 'close', 'keep-alive']);
});

test('a server that closes a kept connection while nothing is on it is known by that', async (t) => {
  await using target = await startClosing();
  await using balancer = await startBalancer([target]);
  await target.keep(2, balancer.port);
  const [first] = target.used;
  first?.end();
  await until(() => target.used.size === 1, 'the balancer has closed it, too');
  t.is((await askHttp(balancer.port, '/', POST)).status, 200);
  t.deepEqual(target.posts, ['close']);
});

test('a request that goes out once more keeps its place, however many wait for it', async (t) => {
  const waiting: (() => void)[] = [];
  const used = new Set<Socket>();
  await using target = await startHttp(({ socket }, response) => {
    if (used.has(socket)) {
      socket.resetAndDestroy();
      return;
    }
    used.add(socket);
    waiting.push(() => response.end('served'));
  });
  await using balancer = await startBalancer([target], { maxConnections: 1, retries: 0 });
  const ask = (): Promise<number> => askHttp(balancer.port, '/').then(({ status }) => status);
  const first = ask();
  await until(() => waiting.length === 1, 'the first is there');
  const others = [ask(), ask()];
  await until(() => balancer.stats().requests.waiting === 2, 'the others wait');
  waiting[0]?.();
  await until(() => waiting.length === 2, 'the second is there, anew');
  t.like(balancer.stats(), { requests: { on: 2, waiting: 1 }, servers: [{ inUse: 1, up: true }] });
  waiting[1]?.();
  await until(() => waiting.length === 3, 'so is the third');
  waiting[2]?.();
  t.deepEqual(await Promise.all([first, ...others]), [200, 200, 200]);
  t.like(balancer.stats(), { servers: [{ failed: 0, up: true }] });
});

test('a kept connection that is known to be lost is not used', async (t) => {
  await using target = await startHttp((_, response) => response.end('served'));
  const { rules, place } = balancerOptions({ listen: '127.0.0.1:0', servers: [`${target.port}`] });
  const connections = new ServerConnections({ host: '127.0.0.1', port: target.port }, rules.backend, place.clock);
  const dialled = await new Promise<ServerConnection | undefined>((resolve) => void connections.dial(resolve));
  dialled?.socket.emit('free');
  await new Promise((resolve) => void setImmediate(resolve));
  dialled?.socket.destroy();
  // Its 'close' is still to come.
  t.is(connections.take(), undefined);
  connections.destroy();
});

test('a server that is taken out, and then ends, is not told of any more', async (t) => {
  let held: Socket | undefined;
  await using old = await startHttp(({ url, socket }, response) => {
    if (url === '/held') held = socket;
    else response.end('old');
  });
  await using young = await startHttp('new');
  await using balancer = await startBalancer([old], { health: { fall: 1 } });
  await askHttp(balancer.port, '/');
  const answer = askHttp(balancer.port, '/held');
  await until(() => held !== undefined, 'it is there, on a kept connection');
  balancer.setRules({ servers: [`127.0.0.1:${young.port}`] });
  const down: string[] = [];
  balancer.on('serverDown', ({ server }) => down.push(server));
  await old.kill();
  t.is((await answer).body, 'new');
  t.deepEqual(down, []);
});
