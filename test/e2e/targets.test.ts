import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import test from 'ava';
import { systemClock } from '../../src/shared/clock.ts';
import type { TargetDownEvent } from '../../src/shared/tunnel/visit-events.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, type Pair, startPair } from '../helpers/pair.ts';
import { startTargets } from '../helpers/target-pair.ts';
import { freePort, startTarget } from '../helpers/targets.ts';

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
    const exit = { target: [`127.0.0.1:${one.port}`, { host: '127.0.0.1', port: two.port }] };
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
