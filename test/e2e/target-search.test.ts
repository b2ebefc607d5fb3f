import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'ava';
import type { VisitClosedEvent } from '../../src/shared/tunnel/visit-events.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, readAll } from '../helpers/pair.ts';
import { startTargets, startTimed } from '../helpers/target-pair.ts';
import { echo, freePort, startSilentTarget, startTarget } from '../helpers/targets.ts';

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
