import test from 'ava';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { systemClock } from '../../src/shared/clock.ts';
import type { FlowClosedEvent } from '../../src/shared/tunnel/flow-events.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { TOKEN, tlsOptions } from '../helpers/pair.ts';
import { startUdp, startUdpPair, startVisitor, statsOf, type UdpPair } from '../helpers/udp.ts';

const NO_DROPS = {
  noConnection: 0,
  unsent: 0,
  table: 0,
  refused: 0,
  unknownFlow: 0,
  target: 0,
  visitor: 0,
  limited: 0,
};

for (const flow of ['reverse', 'forward'] as const) {
  for (const tls of [0, 1] as const) {
    test(`datagrams of every length come and go whole (${flow}, TLS ${tls})`, async (t) => {
      await using service = await startUdp();
      await using pair = await startUdpPair({ tls, flow, target: service.port });
      await using visitor = await startVisitor(pair.port);
      for (const size of [0, 1, 1200, 1472, 9000, 65_507]) {
        const datagram = Buffer.alloc(size, size % 251);
        t.true((await visitor.ask(datagram)).equals(datagram), `${size} bytes`);
      }
      t.is(service.sources.size, 1, 'one visitor is one flow');
      const { entrance, exit } = pair.stats();
      t.like(entrance, { flows: 1, carriers: 1, flowsTotal: 1, datagramsIn: 6, datagramsOut: 6, bytesIn: 77_180 });
      t.like(exit, { flows: 1, carriers: 1, flowsTotal: 1, datagramsIn: 6, datagramsOut: 6, bytesOut: 77_180 });
      t.deepEqual([entrance.dropped, exit.dropped], [NO_DROPS, NO_DROPS]);
    });
  }
}

test('a hundred visitors at once each get their own answers, whole and in order', async (t) => {
  await using service = await startUdp((datagram, { port }) => [Buffer.concat([datagram, Buffer.from(` ${port}`)])]);
  await using pair = await startUdpPair({ tls: 1, target: service.port });
  const visitors = await Promise.all(Array.from({ length: 100 }, () => startVisitor(pair.port)));
  for (let round = 0; round < 5; round += 1) {
    for (const visitor of visitors) visitor.send(`${visitor.port} ${round}`);
    await until(() => visitors.every(({ heard }) => heard.length === round + 1), 'all have been answered');
  }
  const sources = new Set<string>();
  for (const { heard, port } of visitors) {
    const words = heard.map((datagram) => String(datagram).split(' '));
    t.deepEqual(
      words.map(([mine, round]) => `${mine} ${round}`),
      [0, 1, 2, 3, 4].map((round) => `${port} ${round}`),
    );
    const source = new Set(words.map(([, , from]) => from));
    t.is(source.size, 1);
    sources.add([...source].join());
  }
  t.is(sources.size, 100, 'each has a port of its own towards the service');
  t.like(pair.stats().entrance, { flows: 100, carriers: 4, dropped: NO_DROPS });
  await Promise.all(visitors.map((visitor) => visitor[Symbol.asyncDispose]()));
});

test('a service may answer late, often, and unasked as long as the flow lasts', async (t) => {
  await using service = await startUdp((datagram) => [datagram, Buffer.alloc(0), Buffer.from('third')]);
  await using pair = await startUdpPair({ target: service.port });
  await using visitor = await startVisitor(pair.port);
  visitor.send('first');
  await until(() => visitor.heard.length === 3, 'all three are there');
  t.deepEqual(visitor.heard.map(String), ['first', '', 'third']);
});

/** A pair whose entrance's, or exit's, time the test drives. */
async function timedPair(end: 'tunnelServer' | 'tunnelClient', target: number, more: object = {}) {
  const time = manualClock();
  const client = { clock: systemClock };
  const started = await startUdpPair({ target, client, [end]: { clock: time.clock, ...more } });
  const pair = {
    ...started,
    async [Symbol.asyncDispose]() {
      const ended = started[Symbol.asyncDispose]();
      await time.advance(1);
      await ended;
    },
  };
  const closed: FlowClosedEvent[] = [];
  for (const one of [pair.entrance, pair.exit]) one.on('flowClosed', (event) => closed.push(event));
  return { time, pair, closed };
}

for (const end of ['tunnelServer', 'tunnelClient'] as const) {
  test(`a flow that is silent for its time ends at both ends, and its visitor gets another (${end})`, async (t) => {
    await using service = await startUdp();
    const { pair, time, closed } = await timedPair(end, service.port);
    await using _ = pair;
    await using visitor = await startVisitor(pair.port);
    await visitor.ask('one');
    await time.advance(59_000);
    await visitor.ask('two');
    await time.advance(59_999);
    t.like(pair.stats(), { entrance: { flows: 1 }, exit: { flows: 1 } });
    await time.advance(1);
    await until(() => closed.length === 2, 'both have told');
    t.deepEqual(closed.map(({ reason }) => reason).toSorted(), ['ended', 'idle']);
    t.like(closed[0], { remote: `127.0.0.1:${visitor.port}`, datagramsIn: 2, datagramsOut: 2 });
    t.like(pair.stats(), { entrance: { flows: 0 }, exit: { flows: 0 } });
    t.is(String(await visitor.ask('three')), 'three');
    t.is(service.sources.size, 2);
  });
}

test('connections without flows go back to the pool after a moment', async (t) => {
  await using service = await startUdp();
  const { pair, time } = await timedPair('tunnelServer', service.port, { flowIdleTimeoutMs: 10_000 });
  await using _ = pair;
  await using visitor = await startVisitor(pair.port);
  await visitor.ask('one');
  await time.advance(10_000);
  t.like(pair.stats().entrance, { flows: 0, carriers: 1 });
  t.is(pair.server.pool.inUse, 1);
  await time.advance(5000);
  await until(() => pair.server.pool.inUse + pair.client.pool.inUse === 0, 'it is back');
  t.is(pair.stats().entrance.carriers, 0);
  t.is(String(await visitor.ask('two')), 'two');
});

test('the table is bounded: the flow that is silent for longest goes, at both ends', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port, tunnelServer: { maxFlows: 8 } });
  const visitors = await Promise.all(Array.from({ length: 12 }, () => startVisitor(pair.port)));
  for (const visitor of visitors) await visitor.ask('hello');
  const [first, , , , fifth] = visitors;
  await until(() => pair.stats().exit.flows === 8, 'the exit has heard');
  t.like(pair.stats().entrance, { flows: 8, flowsTotal: 12, flowsDisplaced: 4 });
  await fifth?.ask('still there');
  t.is(service.sources.size, 12);
  await first?.ask('back');
  t.is(service.sources.size, 13);
  await Promise.all(visitors.map((visitor) => visitor[Symbol.asyncDispose]()));
});

test('an exit with less room displaces, too, and the visitor goes on in another flow', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port, tunnelClient: { maxFlows: 1 } });
  await using one = await startVisitor(pair.port);
  await using other = await startVisitor(pair.port);
  await one.ask('one');
  await other.ask('other');
  t.like(pair.stats().exit, { flows: 1, flowsDisplaced: 1 });
  await until(() => pair.stats().entrance.flows === 1, 'the entrance has heard');
  t.is(String(await one.ask('one again')), 'one again');
});

test('one host has its part of the table, and no more', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port, tunnelServer: { maxFlowsPerAddress: 3 } });
  const visitors = await Promise.all(Array.from({ length: 5 }, () => startVisitor(pair.port)));
  for (const visitor of visitors) await visitor.ask('hello');
  t.like(pair.stats().entrance, { flows: 3, flowsDisplaced: 2 });
  await Promise.all(visitors.map((visitor) => visitor[Symbol.asyncDispose]()));
});

test('a target that refuses is counted and said to be down, and serves the same flow when it is back', async (t) => {
  const first = await startUdp();
  const { port } = first;
  await using pair = await startUdpPair({ target: port });
  await using visitor = await startVisitor(pair.port);
  await visitor.ask('one');
  await first[Symbol.asyncDispose]();
  const heard: string[] = [];
  pair.client.on('targetDown', ({ error }) => heard.push(`down ${(error as NodeJS.ErrnoException).code}`));
  pair.client.on('targetUp', () => heard.push('up'));
  visitor.send('lost');
  await until(() => pair.stats().exit.dropped.target > 0, 'the refusal is counted');
  t.deepEqual(heard, ['down ECONNREFUSED']);
  await using again = await startUdp(undefined, port);
  t.is(await visitor.askUntil('back'), 'back');
  t.deepEqual(heard, ['down ECONNREFUSED', 'up']);
  t.is(again.sources.size, 1);
  t.is(pair.stats().exit.flowsTotal, 1);
});

test('several targets share the flows, and one that refuses is passed over', async (t) => {
  const one = await startUdp(() => [Buffer.from('one')]);
  await using other = await startUdp(() => [Buffer.from('other')]);
  const target = [one.port, other.port].map((port) => ({ host: '127.0.0.1', port }));
  await using pair = await startUdpPair({ target: 1, tunnelClient: { target, targets: { strategy: 'round-robin' } } });
  const visitors = await Promise.all(Array.from({ length: 4 }, () => startVisitor(pair.port)));
  const answers: string[] = [];
  for (const visitor of visitors) answers.push(String(await visitor.ask('who?')));
  t.deepEqual(answers.toSorted(), ['one', 'one', 'other', 'other']);
  await one[Symbol.asyncDispose]();
  for (const visitor of visitors) t.is(await visitor.askUntil('who now?'), 'other');
  await Promise.all(visitors.map((visitor) => visitor[Symbol.asyncDispose]()));
});

test('a target by name is looked up, and one whose name is unknown costs datagrams and nothing else', async (t) => {
  await using service = await startUdp();
  const target = `localhost:${service.port}`;
  await using pair = await startUdpPair({ target: 1, tunnelClient: { target } });
  await using visitor = await startVisitor(pair.port);
  t.is(await visitor.askUntil('by name'), 'by name');
  await using lost = await startUdpPair({ target: 1, tunnelClient: { target: 'nowhere.invalid:53' } });
  await using other = await startVisitor(lost.port);
  other.send('lost');
  await until(() => lost.stats().exit.dropped.target === 1, 'it is counted');
  await until(() => lost.stats().entrance.flows === 0, 'the flow has ended');
  t.is(lost.client.pool.state, 'ready');
});

test('a target that the system has no way to costs datagrams and nothing else', async (t) => {
  // Broadcasts want a permission that the sockets do not have.
  await using pair = await startUdpPair({ target: 1, tunnelClient: { target: '255.255.255.255:9' } });
  await using visitor = await startVisitor(pair.port);
  visitor.send('lost');
  await until(() => pair.stats().exit.flowsTotal === 1 && pair.stats().exit.flows === 0, 'the flow has ended');
  await until(() => pair.stats().entrance.flows === 0, 'the entrance has heard');
  visitor.send('lost, too');
  await until(() => pair.stats().exit.flowsTotal === 2 && pair.stats().exit.flows === 0, 'the next one has, too');
  t.is(pair.server.pool.state, 'ready');
  t.deepEqual([pair.server.pool.errorCount, pair.client.pool.errorCount], [0, 0]);
});

test('a place that is taken is said at the start', async (t) => {
  await using service = await startUdp();
  const pool = { dial: '127.0.0.1:1', token: TOKEN };
  const client = new TunnelClient({ pool, protocol: 'udp', local: `127.0.0.1:${service.port}` });
  await t.throwsAsync(client.start(), { code: 'POOLD_ERR_DIAL', message: /cannot take datagrams at 127\.0\.0\.1/ });
  const named = new TunnelClient({ pool, protocol: 'udp', local: 'nowhere.invalid:53' });
  await t.throwsAsync(named.start(), { code: 'POOLD_ERR_DIAL', message: /cannot take datagrams at nowhere\.invalid/ });
});

/** Another client of a pair's server. */
async function startClient(pair: UdpPair, target: number): Promise<TunnelClient> {
  const { client: tls } = await tlsOptions(0);
  const dial = pair.server.pool.address as { host: string; port: number };
  const pool = { dial, tls, token: TOKEN, minCapacity: 4 };
  const client = new TunnelClient({ pool, target: { host: '127.0.0.1', port: target }, protocol: 'udp' });
  await client.start();
  return client;
}

test('a client that dies takes no visitor with it: datagrams go on by another one, or when it is back', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port });
  await using visitor = await startVisitor(pair.port);
  await visitor.ask('one');
  pair.client.pool.destroy();
  await until(() => pair.server.pool.size === 0, 'the client is gone');
  visitor.send('waits for a second at most');
  await until(() => pair.stats().entrance.dropped.noConnection === 1, 'nobody came');
  t.is(pair.stats().entrance.flows, 1);
  visitor.send('waits for the client');
  await using client = await startClient(pair, service.port);
  t.is(await visitor.askUntil('back'), 'back');
  t.is(pair.stats().entrance.flowsTotal, 1, 'for the entrance it is the same flow');
  t.is(statsOf(client).flows, 1);
});

test('datagrams that come while the connection is being made wait for it', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port, client: { minCapacity: 1, maxCapacity: 1 } });
  const lease = await pair.server.pool.acquire();
  await using visitor = await startVisitor(pair.port);
  for (const text of ['a', 'b', 'c']) visitor.send(text);
  await until(() => pair.server.pool.waiting === 1, 'the entrance waits');
  lease.release();
  await until(() => visitor.heard.length === 3, 'all are answered');
  t.deepEqual(visitor.heard.map(String), ['a', 'b', 'c']);
});

test('each client of the tunnel gets flows, and a flow stays where it is', async (t) => {
  await using one = await startUdp(() => [Buffer.from('one')]);
  await using other = await startUdp(() => [Buffer.from('other')]);
  await using pair = await startUdpPair({ target: one.port });
  const early = await Promise.all(Array.from({ length: 6 }, () => startVisitor(pair.port)));
  for (const visitor of early) t.is(String(await visitor.ask('who?')), 'one');
  await using client = await startClient(pair, other.port);
  await pair.server.pool.warmed(6);
  const late = await Promise.all(Array.from({ length: 6 }, () => startVisitor(pair.port)));
  const answers: string[] = [];
  for (const visitor of late) answers.push(String(await visitor.ask('who?')));
  t.true(answers.includes('other'), answers.join());
  t.true(statsOf(client).flows > 0);
  for (const visitor of early) t.is(String(await visitor.ask('still?')), 'one');
  await Promise.all([...early, ...late].map((visitor) => visitor[Symbol.asyncDispose]()));
});

test('a client that drains takes no new flows, keeps those it has, and goes with the last one', async (t) => {
  await using one = await startUdp(() => [Buffer.from('one')]);
  await using other = await startUdp(() => [Buffer.from('other')]);
  const { pair, time } = await timedPair('tunnelServer', one.port);
  await using _ = pair;
  await using early = await startVisitor(pair.port);
  t.is(String(await early.ask('who?')), 'one');
  await using client = await startClient(pair, other.port);
  await pair.server.pool.warmed(9);
  const closed = pair.client.close({ graceMs: 60_000 });
  await until(() => pair.server.pool.groups.every(({ idle, inUse }) => idle > 0 || inUse === 1), 'it drains');
  await using late = await startVisitor(pair.port);
  t.is(String(await late.ask('who?')), 'other');
  t.is(String(await early.ask('who?')), 'one');
  await time.advance(60_000);
  await closed;
  t.is(String(await early.ask('who now?')), 'other');
  t.is(statsOf(client).dropped.target, 0);
});

test('the end of the entrance lets flows go on for the grace, takes no others, and then ends all', async (t) => {
  await using service = await startUdp();
  const { pair, time, closed } = await timedPair('tunnelServer', service.port, { flowIdleTimeoutMs: 5000 });
  await using early = await startVisitor(pair.port);
  await using late = await startVisitor(pair.port);
  await early.ask('one');
  const ended = pair.server.close({ graceMs: 20_000 });
  late.send('too late');
  await until(() => pair.stats().entrance.dropped.table === 1, 'it is turned away');
  t.is(String(await early.ask('goes on')), 'goes on');
  await time.advance(5000);
  await ended;
  t.is(pair.stats().entrance.flows, 0);
  t.is(closed[0]?.reason, 'idle');
  t.is(pair.server.pool.size, 0);
  await pair[Symbol.asyncDispose]();
});

test('the end of the grace ends the flows that are still on', async (t) => {
  await using service = await startUdp();
  const { pair, time, closed } = await timedPair('tunnelServer', service.port);
  await using visitor = await startVisitor(pair.port);
  await visitor.ask('one');
  const ended = pair.server.close({ graceMs: 100 });
  await time.advance(100);
  await ended;
  await until(() => closed.length === 2, 'both have told');
  t.deepEqual(closed.map(({ reason }) => reason).toSorted(), ['closing', 'lost']);
  await pair[Symbol.asyncDispose]();
});

test('on a path that is too slow nothing grows: what is too much is dropped and counted', async (t) => {
  await using service = await startUdp(() => []);
  await using pair = await startUdpPair({ target: service.port, client: { minCapacity: 1, maxCapacity: 1 }, warm: 1 });
  await using proxy = await startFaultProxy(pair.server.pool.address?.port ?? 0);
  pair.client.pool.destroy();
  await until(() => pair.server.pool.size === 0, 'the client is gone');
  const { client: tls } = await tlsOptions(0);
  const pool = { dial: `127.0.0.1:${proxy.port}`, tls, token: TOKEN, minCapacity: 1, maxCapacity: 1 };
  await using client = new TunnelClient({ pool, target: { host: '127.0.0.1', port: service.port }, protocol: 'udp' });
  await client.start();
  await pair.server.pool.warmed(1);
  await using visitor = await startVisitor(pair.port);
  visitor.send('first');
  await until(() => service.received === 1, 'the flow is there');
  proxy.down.bytesPerSecond = 100_000;
  let sent = 1;
  // What the kernels hold is not ours: several megabytes on loopback.
  while (pair.stats().entrance.dropped.unsent < 500 && sent < 50_000) {
    for (let n = 0; n < 16; n += 1) visitor.send(Buffer.alloc(1200));
    sent += 16;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { dropped, datagramsOut } = pair.stats().entrance;
  t.true(dropped.unsent >= 500, `${dropped.unsent} were dropped`);
  t.true(datagramsOut + dropped.unsent <= sent);
  proxy.down.bytesPerSecond = 0;
  const before = service.received;
  await until(() => service.received > before, 'it goes on');
});

test('two ends that do not agree about the protocol say so', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port, tunnelClient: { protocol: 'tcp' } });
  const said: string[] = [];
  pair.server.on('visitClosed', ({ error }) => said.push(error?.message ?? ''));
  await using visitor = await startVisitor(pair.port);
  visitor.send('hello');
  await until(() => said.length === 1, 'it is told');
  t.regex(said[0] ?? '', /udp visits are not served here; use the same protocol on both sides/);
  for (let n = 0; n < 20; n += 1) visitor.send('again');
  await until(() => statsOf(pair.entrance).dropped.noConnection === 20, 'they are dropped');
  t.is(said.length, 1, 'the client is left alone for a while');
});

test('a visitor whom the rules keep out gets no flow, and one whom they let in again does', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({
    target: service.port,
    tunnelServer: { visitors: { deny: ['127.0.0.1'] } },
  });
  await using visitor = await startVisitor(pair.port);
  visitor.send('kept out');
  await until(() => pair.stats().entrance.dropped.refused === 1, 'it is turned away');
  t.like(pair.stats().entrance, { flows: 0, flowsTotal: 0 });
  t.is(pair.server.visitorStats()?.refused.denied, 1);
  t.throws(() => pair.server.setVisitorRules({ maxVisitors: 1 }), {
    message: /visitors\.maxVisitors: .* use maxFlows/,
  });
  pair.server.setVisitorRules({});
  t.is(String(await visitor.ask(Buffer.from('let in'))), 'let in');
  t.like(pair.server.visitorStats(), { visitors: 1 });
});

for (const end of ['tunnelServer', 'tunnelClient'] as const) {
  for (const direction of ['upload', 'download'] as const) {
    test(`what is more than the ${direction} limit lets through is dropped and counted (${end})`, async (t) => {
      await using service = await startUdp(({ length }) => [Buffer.alloc(direction === 'upload' ? 1 : length)]);
      const { time, pair } = await timedPair(end, service.port, { bandwidth: { [direction]: 10_000 } });
      await using _ = pair;
      await using visitor = await startVisitor(pair.port);
      await visitor.ask(Buffer.alloc(536));
      const limited = () => (end === 'tunnelServer' ? pair.stats().entrance : pair.stats().exit).dropped.limited;
      // 64 KiB at once, then 10 each 100 ms.
      for (let sent = 0; sent < 100; sent += 1) visitor.send(Buffer.alloc(1000));
      await until(() => limited() === 35 && visitor.heard.length === 66, 'the burst is through, and the rest dropped');
      await time.advance(100);
      for (let sent = 0; sent < 3; sent += 1) visitor.send(Buffer.alloc(1000));
      await until(() => limited() === 37 && visitor.heard.length === 67, 'one more is through');
      t.is(pair.stats().entrance.flows, 1);
    });
  }
}

test('case 16: new flows come no faster than the rate for visitors, and those that are on go on', async (t) => {
  await using service = await startUdp();
  const { time, pair } = await timedPair('tunnelServer', service.port, {
    visitors: { visitorRate: 1, visitorBurst: 2 },
  });
  await using _ = pair;
  await using one = await startVisitor(pair.port);
  await using two = await startVisitor(pair.port);
  await using three = await startVisitor(pair.port);
  await one.ask('first');
  await two.ask('second');
  for (let sent = 0; sent < 5; sent += 1) three.send('too soon');
  await until(() => pair.stats().entrance.dropped.refused === 5, 'they are turned away');
  for (let asked = 0; asked < 5; asked += 1) t.is(String(await one.ask('on')), 'on');
  t.like(pair.stats().entrance, { flows: 2, flowsTotal: 2 });
  t.like(pair.server.visitorStats()?.refused, { rate: 5 });
  await time.advance(1000);
  t.is(String(await three.ask('in time')), 'in time');
});
