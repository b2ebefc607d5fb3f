import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import test from 'ava';
import { systemClock } from '../../src/shared/clock.ts';
import type { TargetDownEvent, VisitClosedEvent } from '../../src/shared/tunnel/visit-events.ts';
import type { TargetsOptions } from '../../src/shared/tunnel/tunnel-options.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, type Pair, type PairOptions, readAll, startPair } from '../helpers/pair.ts';
import { echo, freePort, startSilentTarget, startTarget } from '../helpers/targets.ts';

const at = (port: number) => ({ host: '127.0.0.1', port });

/** A reverse tunnel to several targets, which are not checked unless `targets` says so. */
function startTargets(ports: readonly number[], targets: TargetsOptions = {}, options: Partial<PairOptions> = {}) {
  const tunnelClient = {
    target: ports.map(at),
    targets: { check: 'off' as const, ...targets },
    ...options.tunnelClient,
  };
  return startPair({ ...options, target: 1, client: { minCapacity: 4, ...options.client }, tunnelClient });
}

/** A target that says its name to each visitor. */
const startNamed = (name: string) => startTarget((socket) => socket.resume().end(name));

/** Whom so many visitors reach, one after the other. */
async function reached(pair: Pair, visits: number): Promise<string> {
  let names = '';
  for (let visit = 0; visit < visits; visit += 1) names += await ask(pair.visit(), 'who is there?');
  return names;
}

for (const flow of ['reverse', 'forward'] as const) {
  test(`${flow}: visits go to each target in turn, and are counted`, async (t) => {
    await using one = await startNamed('a');
    await using two = await startNamed('b');
    const exit = { target: [`127.0.0.1:${one.port}`, at(two.port)] };
    await using pair = await startPair({
      flow,
      target: 1,
      tunnelServer: flow === 'forward' ? exit : {},
      tunnelClient: flow === 'forward' ? {} : exit,
    });
    t.is(await reached(pair, 6), 'ababab');
    const [exits, enters] = flow === 'forward' ? [pair.server, pair.client] : [pair.client, pair.server];
    await until(() => exits.targetStats().every(({ inUse }) => inUse === 0), 'the visits are over');
    const numbers = { up: true, inUse: 0, total: 3, failed: 0, warm: 0 };
    t.deepEqual(
      exits.targetStats(),
      [one, two].map(({ port }) => Object.assign({ target: `127.0.0.1:${port}` }, numbers)),
    );
    t.deepEqual(enters.targetStats(), []);
  });
}

test('least-in-use goes where fewest visits are', async (t) => {
  const serve = (name: string) => (socket: Socket) => void socket.on('data', () => socket.write(name));
  await using one = await startTarget(serve('a'));
  await using two = await startTarget(serve('b'));
  await using pair = await startTargets([one.port, two.port], { strategy: 'least-in-use' });
  const hold = async (): Promise<[string, Socket]> => {
    const visitor = pair.visit().on('error', () => {});
    visitor.write('hello');
    return [String((await once(visitor, 'data'))[0]), visitor];
  };
  const [[first, early], [second], [third, late]] = [await hold(), await hold(), await hold()];
  t.deepEqual([first, second, third], ['a', 'b', 'a']);
  early.resetAndDestroy();
  late.resetAndDestroy();
  await until(() => pair.client.targetStats()[0]?.inUse === 0, 'two visits are over');
  t.is((await hold())[0], 'a');
});

test('failover keeps to the first, goes to the second while that is down, and comes back', async (t) => {
  const port = await freePort();
  await using second = await startNamed('b');
  const time = manualClock();
  await using pair = await startTargets(
    [port, second.port],
    { strategy: 'failover' },
    { client: { clock: systemClock }, tunnelClient: { clock: time.clock } },
  );
  const heard: string[] = [];
  pair.client.on('targetDown', ({ target, error }: TargetDownEvent) =>
    heard.push(`${target} ${(error as NodeJS.ErrnoException).code}`),
  );
  pair.client.on('targetUp', ({ target }) => heard.push(`${target} up`));
  t.is(await reached(pair, 4), 'bbbb');
  t.deepEqual(
    pair.client.targetStats().map(({ up, total, failed }) => [up, total, failed]),
    [
      [false, 1, 1],
      [true, 4, 0],
    ],
  );
  t.deepEqual(heard, [`127.0.0.1:${port} ECONNREFUSED`]);
  const first = createServer((socket) =>
    socket
      .resume()
      .on('error', () => {})
      .end('a'),
  ).listen(port, '127.0.0.1');
  await once(first, 'listening');
  t.is(await reached(pair, 1), 'b');
  await time.advance(1000);
  t.is(await reached(pair, 3), 'aaa');
  t.deepEqual(heard.slice(1), [`127.0.0.1:${port} up`]);
  first.close();
});

test('a visit whose target refuses goes to the next, with every byte once, however early they came', async (t) => {
  await using target = await startTarget(echo);
  for (const length of [1, 10_000, 65_536, 300_000]) {
    await using pair = await startTargets([await freePort(), await freePort(), target.port], { strategy: 'failover' });
    const text = Array.from({ length: Math.ceil(length / 8) }, (_, index) => String(index).padStart(8))
      .join('')
      .slice(0, length);
    t.is(await ask(pair.visit(), text), text);
    t.deepEqual(
      pair.client.targetStats().map(({ failed }) => failed),
      [1, 1, 0],
    );
  }
  t.is(target.accepted, 4);
});

test('a service that speaks first is heard through the second target as through the first', async (t) => {
  await using target = await startTarget((socket) => socket.end('welcome'));
  await using pair = await startTargets([await freePort(), target.port]);
  const visitor = pair.visit();
  t.is(await readAll(visitor), 'welcome');
  visitor.destroy();
});

/** A pair whose exit's time the test drives. */
async function startTimed(ports: readonly number[], targets?: TargetsOptions) {
  const time = manualClock();
  const tunnelClient = { clock: time.clock, connectTimeoutMs: 900 };
  const pair = await startTargets(ports, targets, { client: { clock: systemClock }, tunnelClient });
  const closed: VisitClosedEvent[] = [];
  pair.client.on('visitClosed', (event) => closed.push(event));
  const inUse = () =>
    pair.client
      .targetStats()
      .map((one) => one.inUse)
      .join(' ');
  return {
    pair,
    time,
    closed,
    at: (wanted: string) => until(() => inUse() === wanted, `visits are at ${wanted}, not ${inUse()}`),
  };
}

test('a target that is silent leaves time for the next, within the connect timeout as a whole', async (t) => {
  await using silent = await startSilentTarget();
  await using target = await startTarget(echo);
  const { pair, time, at } = await startTimed([silent.port, target.port]);
  await using _ = pair;
  const answer = ask(pair.visit(), 'hello');
  await at('1 0');
  await time.advance(449);
  t.is(pair.client.targetStats()[0]?.inUse, 1);
  await time.advance(1);
  t.is(await answer, 'hello');
});

test('without checks, one visitor at a time tries a target that is down', async (t) => {
  await using silent = await startSilentTarget();
  await using target = await startTarget(echo);
  const { pair, time, at } = await startTimed([silent.port, target.port], { strategy: 'failover' });
  await using _ = pair;
  for (const pauseMs of [0, 1000]) {
    await time.advance(pauseMs);
    const first = ask(pair.visit(), 'first');
    await at('1 0');
    if (pauseMs > 0) t.is(await ask(pair.visit(), 'second'), 'second');
    await at('1 0');
    await time.advance(450);
    t.is(await first, 'first');
    await at('0 0');
  }
});

test('when no target answers in time the visitor is reset, and hears why', async (t) => {
  await using one = await startSilentTarget();
  await using two = await startSilentTarget();
  const { pair, time, closed, at } = await startTimed([one.port, two.port]);
  await using _ = pair;
  const heard = nextEvent<VisitClosedEvent>(pair.server, 'visitClosed');
  const gone = once(pair.visit(), 'error');
  await at('1 0');
  await time.advance(450);
  await at('0 1');
  await time.advance(449);
  await at('0 1');
  await time.advance(1);
  await gone;
  await at('0 0');
  t.is(((await heard).error as { resetCode?: number }).resetCode, 2);
  t.deepEqual(
    closed.map(({ reason, error }) => [reason, (error as { code?: string }).code]),
    [['broken', 'POOLD_ERR_TARGET']],
  );
  t.is(pair.client.visits, 0);
});

test('targets that are down take no time from the one that is up, and are not blamed for what it uses up', async (t) => {
  await using silent = await startSilentTarget();
  const targets = { check: 'tcp', fall: 1, checkTimeoutMs: 600_000 } as const;
  const { pair, time, closed, at } = await startTimed([silent.port, await freePort(), await freePort()], targets);
  await using _ = pair;
  await until(() => pair.client.targetStats().filter(({ up }) => up).length === 1, 'two are down');
  const gone = once(pair.visit(), 'error');
  await at('1 0 0');
  await time.advance(899);
  await at('1 0 0');
  await time.advance(1);
  await gone;
  await until(() => closed.length === 1, 'the visit is over');
  t.deepEqual(
    pair.client.targetStats().map(({ total }) => total),
    [1, 0, 0],
  );
});

test('a target that breaks a visit off is not down for it', async (t) => {
  await using target = await startTarget((socket) => socket.once('data', () => socket.resetAndDestroy()));
  for (const ports of [[target.port], [target.port, await freePort()]]) {
    await using pair = await startTargets(ports);
    const visitor = pair.visit();
    visitor.write('hello');
    await once(visitor, 'error');
    await until(() => pair.client.visits === 0, 'the visit is over');
    const [{ up, inUse, total, failed } = {} as never] = pair.client.targetStats();
    t.deepEqual([up, inUse, total, failed], [true, 0, 1, 0]);
  }
});

test('when all targets are down they are tried anyway, in order', async (t) => {
  const ports = [await freePort(), await freePort()];
  await using pair = await startTargets(ports, { check: 'tcp', checkIntervalMs: 60_000, fall: 1 });
  await until(() => pair.client.targetStats().every(({ up }) => !up), 'both are down');
  const closed = nextEvent<VisitClosedEvent>(pair.server, 'visitClosed');
  await t.throwsAsync(once(pair.visit(), 'data'), { code: 'ECONNRESET' });
  t.is(((await closed).error as { resetCode?: number }).resetCode, 1);
  t.deepEqual(
    pair.client.targetStats().map(({ total, failed }) => [total, failed]),
    [
      [1, 1],
      [1, 1],
    ],
  );
  const second = createServer({ allowHalfOpen: true }, echo).listen(ports[1], '127.0.0.1');
  await once(second, 'listening');
  t.is(await ask(pair.visit(), 'anyone?'), 'anyone?');
  t.false(pair.client.targetStats()[1]?.up, 'a check decides');
  second.close();
});

test('a visitor who leaves while a target is looked for ends the search, and blames nobody', async (t) => {
  await using silent = await startSilentTarget();
  await using target = await startTarget(echo);
  const { pair, closed, time, at } = await startTimed([silent.port, target.port]);
  await using _ = pair;
  const resting = time.timers;
  const visitor = pair.visit();
  await at('1 0');
  visitor.resetAndDestroy();
  await at('0 0');
  await until(() => closed.length === 1, 'the visit is over');
  t.is(closed[0]?.reason, 'reset');
  await until(() => time.timers === resting, 'nothing is being connected');
  t.deepEqual(
    pair.client.targetStats().map(({ up, failed }) => [up, failed]),
    [
      [true, 0],
      [true, 0],
    ],
  );
  t.is(target.accepted, 0);
});

test('the end of the tunnel breaks a search off', async (t) => {
  await using one = await startSilentTarget();
  await using two = await startSilentTarget();
  await using pair = await startTargets([one.port, two.port]);
  const visitor = pair.visit();
  await until(() => pair.client.visits === 1, 'a target is looked for');
  const broken = once(visitor, 'error');
  await pair.client.close({ graceMs: 20 });
  await broken;
  t.is(pair.client.visits, 0);
  t.deepEqual(
    pair.client.targetStats().map(({ inUse, failed }) => [inUse, failed]),
    [
      [0, 0],
      [0, 0],
    ],
  );
});

test('a target that fails its check gets no visits until it passes again', async (t) => {
  let well = false;
  await using one = await startTarget((socket) => {
    socket.once('data', (data: Buffer) => {
      if (!String(data).startsWith('GET /health')) socket.end('a');
      else socket.end(`HTTP/1.1 ${well ? '200 OK' : '500 ill'}\r\ncontent-length: 0\r\n\r\n`);
    });
  });
  await using two = await startTarget((socket) => {
    socket.once('data', (data: Buffer) => {
      socket.end(String(data).startsWith('GET /health') ? 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n' : 'b');
    });
  });
  await using pair = await startTargets([one.port, two.port], {
    check: { http: '/health' },
    checkIntervalMs: 20,
    rise: 2,
    fall: 2,
  });
  await nextEvent(pair.client, 'targetDown');
  t.is(await reached(pair, 4), 'bbbb');
  well = true;
  await nextEvent(pair.client, 'targetUp');
  t.is((await reached(pair, 4)).replaceAll('b', ''), 'aa');
});

test('a visit takes a connection that is ready, and hears what was said on it before', async (t) => {
  const sockets: Socket[] = [];
  await using target = await startTarget((socket) => {
    sockets.push(socket);
    socket.write(`welcome ${sockets.length} `);
    socket.pipe(socket);
  });
  await using pair = await startTargets([target.port], { warm: 2 });
  const ready = (count: number) => until(() => pair.client.targetStats()[0]?.warm === count, `${count} are ready`);
  for (let visit = 0; visit < 4; visit += 1) {
    await ready(2);
    const answer = await ask(pair.visit(), 'hello');
    t.regex(answer, /^welcome \d hello$/);
  }
  await ready(2);
  t.is(target.accepted, 6);
});

test('connections that were ready are of no use when their target restarts: the next visitors do without', async (t) => {
  const port = await freePort();
  const start = async () => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('error', () => {}));
      socket.pipe(socket);
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    return {
      stop: () => {
        server.close();
        for (const socket of sockets) socket.destroy();
        return once(server, 'close');
      },
    };
  };
  const first = await start();
  await using other = await startTarget(echo);
  await using pair = await startTargets([port, other.port], { strategy: 'failover', warm: 3 });
  await until(() => pair.client.targetStats().every(({ warm }) => warm === 3), 'all are ready');
  await first.stop();
  await until(() => pair.client.targetStats()[0]?.warm === 0, 'the loss is noticed');
  t.is(await ask(pair.visit(), 'still'), 'still');
  const again = await start();
  await until(() => pair.client.targetStats()[0]?.warm === 3, 'they are ready again');
  t.true(pair.client.targetStats()[0]?.up);
  t.is(await ask(pair.visit(), 'served'), 'served');
  await again.stop();
});

test('a tunnel that is ending keeps nothing ready any more, though a visit is on', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startTargets([target.port], { warm: 2 });
  await until(() => pair.client.targetStats()[0]?.warm === 2, 'two are ready');
  const visitor = pair.visit();
  visitor.write('one, ');
  await once(visitor, 'data');
  await until(() => pair.client.targetStats()[0]?.warm === 2, 'two are ready again');
  const closed = pair.client.close();
  t.is(pair.client.targetStats()[0]?.warm, 0);
  t.is(await ask(visitor, 'two'), 'two');
  await closed;
  t.is(target.accepted, 3);
});
