/** Tunnels that clients ask for, by real clients. */
import { once } from 'node:events';
import test from 'ava';
import { PublishedTunnels, type PublishedPort } from '../../src/server/published-tunnels.ts';
import { ServerListener } from '../../src/server/server-listener.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { PublishRequest } from '../../src/server/server-listener.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { ask, TOKEN } from '../helpers/pair.ts';
import { PORTS, refusalOf, startClient, startPublishing, visit } from '../helpers/publishing.ts';
import { echo, freePort, startNamed, startTarget } from '../helpers/targets.ts';
import { startUdp, startVisitor } from '../helpers/udp.ts';

const OTHER = 'another token, long enough';

/** A request as the listener makes it. */
const request = (port: number, more: Partial<PublishRequest> = {}): PublishRequest => ({
  tunnel: 'web',
  port,
  protocol: 'tcp',
  share: false,
  client: 'one',
  owner: 'alice',
  goodUntil: Infinity,
  ...more,
});

test('a client has its port opened, is connected when it listens, and its visitors reach the target', async (t) => {
  await using target = await startTarget(echo);
  await using server = await startPublishing();
  const port = await freePort();
  const published = nextEvent<PublishedPort>(server.tunnels, 'published');
  const client = await startClient(server.client(port, target.port, { tunnel: 'web' }));
  t.is(await ask(visit(port), 'hello'), 'hello');
  const event = await published;
  t.like(event, { tunnel: 'web', port, protocol: 'tcp' });
  t.is(event.server.address?.port, port);
  await until(() => event.server.pool.idle >= 2, 'all of the client’s connections are its tunnel’s');
  t.deepEqual(server.told, ['+web'], 'its connections asked together, and one was opened');
  t.deepEqual(
    server.tunnels.all.map(({ tunnel, port: open }) => [tunnel, open]),
    [['web', port]],
  );
  await client.close();
});

test('without a name the tunnel is called by its port; several are side by side', async (t) => {
  await using one = await startNamed('one');
  await using two = await startNamed('two');
  await using server = await startPublishing();
  const [first, second] = [await freePort(), await freePort()];
  await startClient(server.client(first, one.port));
  await startClient(server.client(second, two.port));
  t.deepEqual(server.told, [`+port-${first}`, `+port-${second}`]);
  t.deepEqual([await ask(visit(first), ''), await ask(visit(second), '')], ['one', 'two']);
});

test('datagrams have ports of their own', async (t) => {
  await using service = await startUdp((datagram) => [Buffer.concat([datagram, Buffer.from('!')])]);
  await using target = await startNamed('tcp');
  await using server = await startPublishing({ tunnel: { waitMs: 1000, maxFlows: 10, visitors: { maxVisitors: 5 } } });
  const port = await freePort();
  await startClient(server.client(port, target.port));
  await startClient(server.client({ port, share: true }, service.port, { protocol: 'udp' }));
  t.deepEqual(server.told, [`+port-${port}`, `+port-${port}-udp`]);
  await using visitor = await startVisitor(port);
  t.is(await visitor.askUntil('hello'), 'hello!');
  t.is(await ask(visit(port), ''), 'tcp');
});

test('case 23: a port outside the ranges, and the name of a tunnel of the server’s own, are refused for good', async (t) => {
  await using server = await startPublishing({ ports: ['10000-10099', '12000'] });
  await using own = new ServerPool({ listener: server.listener, tunnel: 'own' });
  await own.start();
  const outside = await refusalOf(server.client(10_100, 1));
  t.is(outside.reason, 'tunnel');
  t.regex(outside.detail, /port 10100 may not be published here; allowed are 10000-10099, 12000/);
  const taken = await refusalOf(server.client(12_000, 1, { tunnel: 'own' }));
  t.is(taken.reason, 'tunnel');
  t.regex(taken.detail, /the tunnel own is the server's own; choose another name/);
  t.is(own.size, 0);
  t.deepEqual(server.told, []);
});

test('case 23: a token opens no other names than its own, and a wrong one nothing at all', async (t) => {
  const token = [{ token: TOKEN, tunnels: ['web'] }];
  await using server = await startPublishing({ token });
  const port = await freePort();
  t.is((await refusalOf(server.client(port, 1))).reason, 'tunnel');
  t.is((await refusalOf(server.client(port, 1, { token: OTHER }))).reason, 'auth');
  t.deepEqual(server.told, []);
  await startClient(server.client(port, 1, { tunnel: 'web' }));
  t.deepEqual(server.told, ['+web']);
});

test('case 23: who does not publish comes into no published tunnel; where nobody may, asking is refused', async (t) => {
  await using server = await startPublishing();
  const port = await freePort();
  await startClient(server.client(port, 1, { tunnel: 'web' }));
  const silent = await refusalOf(server.client(undefined, 1, { tunnel: 'web' }));
  t.is(silent.reason, 'tunnel');
  t.regex(silent.detail, /the tunnel web is one that a client publishes/);
  await server.tunnels.close({ graceMs: 0 });
  const asking = await refusalOf(server.client(port, 1, { tunnel: 'web' }));
  t.is(asking.reason, 'tunnel');
  t.regex(asking.detail, /this server opens no ports for clients/);
});

test('case 23: where anybody may connect nobody may publish', async (t) => {
  await using open = new ServerListener({ listen: '127.0.0.1:0' });
  const options = { ports: [PORTS], host: '127.0.0.1' };
  t.throws(() => new PublishedTunnels({ listener: open, ...options }), {
    message: /^token: is missing, and without any/,
  });
  await using listener = new ServerListener({ listen: '127.0.0.1:0', token: TOKEN });
  const wrong = [
    [{ ports: [] }, /^ports: is empty/],
    [{ ports: ['80', '99-98'] }, /^ports: "99-98" begins behind/],
    [{ host: '' }, /^host: is empty/],
    [{ host: '1.2.3' }, /^host: "1\.2\.3:0"/],
    [{ lingerMs: -1 }, /^lingerMs/],
    [{ maxPerToken: 0 }, /^maxPerToken/],
    [{ pool: { maxCapacity: 0 } }, /^maxCapacity/],
    [{ pool: { workers: 2, listener } }, /^pool\.workers: /],
    [{ tunnel: { waitMs: -1 } }, /^waitMs/],
    [{ tunnel: { target: '3000' } }, /^tunnel\.target: /],
    [{ tunnel: { visitors: { allow: ['nowhere'] } } }, /^visitors\.allow/],
  ] as const;
  for (const [change, message] of wrong) {
    t.throws(() => new PublishedTunnels({ listener, ...options, ...(change as object) }), { message });
  }
  const first = new PublishedTunnels({ listener, ...options });
  t.throws(() => new PublishedTunnels({ listener, ...options }), { message: /^listener: publishes already/ });
  await first.close();
  await using second = new PublishedTunnels({ listener, ...options });
  t.deepEqual(second.all, []);
});

test('a port that cannot be listened on is refused for now, and opened when it can be', async (t) => {
  await using server = await startPublishing();
  const port = await freePort();
  const squatter = await startPublishing();
  await startClient(squatter.client(port, 1));
  const client = server.client(port, 1);
  const refused = await refusalOf(client);
  t.is(refused.reason, 'limit');
  t.is(refused.detail, `port ${port} cannot be opened there (EADDRINUSE); choose another one`);
  t.true((refused.retryAfterMs ?? 0) > 0);
  t.deepEqual([server.told, server.tunnels.all], [[], []]);
  await squatter[Symbol.asyncDispose]();
  await startClient(server.client(port, 1));
  t.deepEqual(server.told, [`+port-${port}`]);
});

test('two clients share a port only if both say so', async (t) => {
  await using one = await startNamed('one');
  await using two = await startNamed('two');
  await using server = await startPublishing({ pool: { clientStrategy: 'round-robin' } });
  const shared = await freePort();
  await startClient(server.client({ port: shared, share: true }, one.port));
  const greedy = await refusalOf(server.client(shared, two.port));
  t.is(greedy.reason, 'limit');
  t.true((greedy.retryAfterMs ?? 0) > 0);
  t.regex(greedy.detail, /^port \d+ is published by another client since 20\d\d-.*Z; say share at both and/);
  await startClient(server.client({ port: shared, share: true }, two.port));
  const answers = [await ask(visit(shared), ''), await ask(visit(shared), '')];
  t.deepEqual(answers.toSorted(), ['one', 'two']);
  const renamed = await refusalOf(server.client({ port: shared, share: true }, two.port, { tunnel: 'web' }));
  t.is(renamed.reason, 'limit');
  t.deepEqual(server.told, [`+port-${shared}`]);
});

test('one name cannot be at two ports', async (t) => {
  await using server = await startPublishing();
  const [first, second] = [await freePort(), await freePort()];
  await startClient(server.client(first, 1, { tunnel: 'web' }));
  const refused = await refusalOf(server.client(second, 1, { tunnel: 'web' }));
  t.is(refused.reason, 'limit');
  t.regex(refused.detail, /^the tunnel web is published at another port by another client since/);
});

test('a client that has died unseen loses its port to its successor, which asks again and again', async (t) => {
  await using target = await startNamed('successor');
  const pool = { keepAliveMs: 3_600_000, keepAliveTimeoutMs: 600 };
  await using server = await startPublishing({ pool });
  const { port: behind = 0 } = server.listener.address ?? {};
  await using path = await startFaultProxy(behind);
  const port = await freePort();
  const dead = server.client(port, 1, { dial: `127.0.0.1:${path.port}` });
  await startClient(dead);
  path.up.lost = true;
  path.down.lost = true;
  const successor = server.client(port, target.port);
  let refused = 0;
  successor.pool.on('dialFailed', () => (refused += 1));
  await startClient(successor);
  t.true(refused > 0, 'it was refused while nobody knew');
  t.is(await ask(visit(port), ''), 'successor');
});

test('a client that is alive keeps its port, however often another asks and however quiet it is', async (t) => {
  await using server = await startPublishing({ pool: { keepAliveMs: 3_600_000, keepAliveTimeoutMs: 600 } });
  const port = await freePort();
  const first = await startClient(server.client(port, 1));
  const other = server.client(port, 1);
  let refused = 0;
  other.pool.on('dialFailed', () => (refused += 1));
  await other.start();
  await until(() => refused >= 4, 'it was refused again and again');
  t.deepEqual(server.told, [`+port-${port}`]);
  t.true(first.pool.idle > 0);
  t.false(other.pool.welcomed);
});

test('so does one that has died with its connections in visits; one that is alive and in visits does not', async (t) => {
  await using holding = await startTarget((socket) => socket.write('held'));
  await using target = await startNamed('successor');
  const pool = { keepAliveMs: 3_600_000, keepAliveTimeoutMs: 600 };
  await using server = await startPublishing({ pool });
  const { port: behind = 0 } = server.listener.address ?? {};
  await using path = await startFaultProxy(behind);
  const port = await freePort();
  const first = server.client(port, holding.port, { dial: `127.0.0.1:${path.port}` });
  await startClient(first);
  const [opened] = server.tunnels.all;
  // More visitors than the client has had connections, so that none stays idle for long; it dials others.
  const visitors = [visit(port), visit(port)].map((visitor) => visitor.on('error', () => {}));
  await Promise.all(visitors.map((visitor) => once(visitor, 'data')));
  const successor = server.client(port, target.port);
  let refused = 0;
  successor.pool.on('dialFailed', () => (refused += 1));
  await successor.start();
  await until(() => refused >= 3, 'it was refused again after the first had answered');
  t.is(opened?.server.pool.inUse, 2, 'the first is alive, and its visits go on');
  path.up.lost = true;
  path.down.lost = true;
  await successor.pool.warmed(1);
  t.deepEqual(server.told, [`+port-${port}`, `-port-${port}`, `+port-${port}`]);
  t.is(await ask(visit(port), ''), 'successor');
});

test('case 24: a client whose token has ended keeps no port by the visits that are left', async (t) => {
  await using holding = await startTarget((socket) => socket.write('held'));
  await using target = await startNamed('successor');
  let laterMs = 0;
  const clock = { ...systemClock, wallNow: () => Date.now() + laterMs };
  const expires = new Date(Date.now() + 3_600_000);
  const pool = { keepAliveMs: 0 };
  await using server = await startPublishing({ clock, pool, token: [{ token: TOKEN, expires }, { token: OTHER }] });
  const port = await freePort();
  const first = await startClient(server.client(port, holding.port));
  const visitor = visit(port).on('error', () => {});
  await once(visitor, 'data');
  const refusal = await refusalOf(server.client(port, target.port, { token: OTHER }));
  t.regex(refusal.message, /published by another client/);
  laterMs = 3_600_000;
  await startClient(server.client(port, target.port, { token: OTHER }));
  t.is(await ask(visit(port), ''), 'successor');
  await until(() => visitor.destroyed && first.visits === 0, 'the visit is over');
});

test('a port outlives its last client for a while: its visitors wait, and the client that is back serves them', async (t) => {
  const time = manualClock();
  await using target = await startNamed('back');
  await using server = await startPublishing({ clock: time.clock, lingerMs: 10_000 });
  const port = await freePort();
  const first = await startClient(server.client(port, target.port));
  const [open] = server.tunnels.all;
  await first.close({ graceMs: 0 });
  await until(() => open?.server.pool.size === 0, 'it has gone');
  await time.advance(9000);
  const answer = ask(visit(port), '');
  await until(() => open?.server.pool.waiting === 1, 'a visitor waits');
  const second = await startClient(server.client(port, target.port));
  t.is(await answer, 'back');
  await time.advance(60_000);
  t.deepEqual(server.told, [`+port-${port}`], 'the one that is back keeps it');
  await second.close({ graceMs: 0 });
  await until(() => open?.server.pool.size === 0, 'it has gone, too');
  await time.advance(9999);
  t.is(server.tunnels.all.length, 1);
  await time.advance(1);
  t.deepEqual(server.told, [`+port-${port}`, `-port-${port}`]);
  const late = visit(port);
  t.is(((await once(late, 'error')) as [NodeJS.ErrnoException])[0].code, 'ECONNREFUSED');
});

test('while nobody serves it any other client may have the port, under another name and token', async (t) => {
  const time = manualClock();
  const token = [
    { token: TOKEN, name: 'alice' },
    { token: OTHER, name: 'bob' },
  ];
  await using target = await startNamed('bob');
  await using server = await startPublishing({ clock: time.clock, token });
  const port = await freePort();
  const alice = await startClient(server.client(port, 1, { tunnel: 'alice' }));
  const [open] = server.tunnels.all;
  await alice.close({ graceMs: 0 });
  await until(() => open?.server.pool.size === 0, 'it has gone');
  await startClient(server.client(port, target.port, { tunnel: 'bob', token: OTHER }));
  t.deepEqual(server.told, ['+alice', '-alice', '+bob']);
  t.is(await ask(visit(port), ''), 'bob');
});

test('case 24: who asks and never comes leaves nothing open', async (t) => {
  const time = manualClock();
  await using server = await startPublishing({ clock: time.clock, lingerMs: 1000 });
  const port = await freePort();
  const timers = time.timers;
  const [first, second] = [server.tunnels.publish(request(port)), server.tunnels.publish(request(port))];
  t.is(second, first, 'two connections of a client wait for the same');
  t.throws(() => server.tunnels.publish(request(port, { client: 'two' })), { message: /^refused \(limit\)/ });
  await first;
  t.is(server.tunnels.publish(request(port)), undefined, 'nothing is left to wait for');
  await time.advance(1000);
  t.deepEqual(server.told, ['+web', '-web']);
  t.is(time.timers, timers);
});

test('case 24: a token has so many ports at a time, whatever its clients call themselves', async (t) => {
  const time = manualClock();
  await using server = await startPublishing({ clock: time.clock, maxPerToken: 2, lingerMs: 1000 });
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  await server.tunnels.publish(request(ports[0], { tunnel: 'a', client: 'one' }));
  await server.tunnels.publish(request(ports[1], { tunnel: 'b', client: 'two' }));
  const third = request(ports[2], { tunnel: 'c', client: 'three' });
  t.throws(() => server.tunnels.publish(third), {
    message: /^refused \(limit\): 2 ports are published with this token/,
  });
  await t.notThrowsAsync(async () => server.tunnels.publish({ ...third, owner: 'bob' }), 'another’s are counted apart');
  const moved = request(ports[2], { tunnel: 'a', owner: 'alice' });
  t.is(server.tunnels.all.length, 3);
  // In place of two that nobody serves: its own, and bob's.
  await server.tunnels.publish(moved);
  t.deepEqual(server.told.slice(3), ['-a', '-c', '+a']);
  await time.advance(1000);
  await t.notThrowsAsync(async () => server.tunnels.publish(third), 'there is room when they have gone');
});

test('case 24: a hundred ports asked for one after the other leave no listener and no timer', async (t) => {
  const time = manualClock();
  await using server = await startPublishing({ clock: time.clock, lingerMs: 1000 });
  const port = await freePort();
  const timers = time.timers;
  for (let n = 0; n < 100; n += 1) await server.tunnels.publish(request(port, { tunnel: `web${n}`, client: `${n}` }));
  t.is(server.tunnels.all.length, 1);
  t.is(server.told.length, 199);
  await time.advance(1000);
  t.deepEqual([server.tunnels.all.length, time.timers], [0, timers]);
});

test('published tunnels drain when the server closes: who is in ends in peace, and nobody else comes in', async (t) => {
  await using target = await startTarget(echo);
  await using server = await startPublishing();
  const port = await freePort();
  await startClient(server.client(port, target.port));
  const visitor = visit(port);
  visitor.write('before ');
  await once(visitor, 'data');
  await server.listener.close();
  const closed = server.tunnels.close({ graceMs: 60_000 });
  t.deepEqual(server.told, [`+port-${port}`, `-port-${port}`]);
  t.throws(() => server.tunnels.publish(request(port)), { message: /^refused \(busy\)/ });
  const late = visit(port);
  t.is(((await once(late, 'error')) as [NodeJS.ErrnoException])[0].code, 'ECONNREFUSED');
  let over = false;
  void closed.then(() => (over = true));
  visitor.write('and ');
  await once(visitor, 'data');
  t.false(over);
  t.is(await ask(visitor, 'after'), 'after');
  await closed;
});

test('a start that is overtaken by the end is told so, and opens nothing', async (t) => {
  await using server = await startPublishing();
  const port = await freePort();
  const opening = server.tunnels.publish(request(port));
  await server.tunnels.close({ graceMs: 0 });
  await t.throwsAsync(async () => opening, { message: /^refused \(busy\)/ });
  t.deepEqual(server.told, []);
  await using again = await startPublishing();
  await again.tunnels.publish(request(port));
  t.deepEqual(again.told, ['+web']);
});

test('the rules for visitors are replaced at all ports, and wrong ones at none', async (t) => {
  await using target = await startNamed('let in');
  await using server = await startPublishing();
  const [first, second] = [await freePort(), await freePort()];
  await startClient(server.client(first, target.port));
  t.is(await ask(visit(first), ''), 'let in');
  t.throws(() => server.tunnels.setVisitorRules({ deny: ['nowhere'] }), { message: /^visitors\.deny/ });
  server.tunnels.setVisitorRules({ deny: ['127.0.0.1'], maxVisitors: 3 });
  await startClient(server.client(second, target.port));
  for (const port of [first, second]) {
    const [error] = (await once(
      visit(port).on('connect', () => {}),
      'error',
    )) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNRESET');
  }
});
