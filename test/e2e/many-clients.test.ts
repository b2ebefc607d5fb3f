import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'ava';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import type { ServerPoolOptions } from '../../src/server/server-pool-options.ts';
import { until } from '../helpers/events.ts';
import { ask, type Pair, startPair, TOKEN } from '../helpers/pair.ts';
import { freePort, startNamed } from '../helpers/targets.ts';

/** A pair, and a second client of the same tunnel; each client's target answers with its name. */
async function twoClients(clientStrategy: ServerPoolOptions['clientStrategy'] & string) {
  const [one, two] = [await startNamed('one'), await startNamed('two')];
  const pair = await startPair({ target: one.port, client: { minCapacity: 4 }, server: { clientStrategy } });
  const second = new TunnelClient({
    pool: { dial: pair.server.pool.address ?? '', tls: { mode: 0 }, token: TOKEN, minCapacity: 4 },
    target: { host: '127.0.0.1', port: two.port },
  });
  await second.start();
  await Promise.all([second.pool.warmed(4), pair.server.pool.warmed(8)]);
  return {
    pair,
    second,
    async [Symbol.asyncDispose]() {
      await second.close({ graceMs: 0 });
      await pair[Symbol.asyncDispose]();
      await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    },
  };
}

/** A visitor who stays, and who answers it. */
async function stay(pair: Pair): Promise<{ visitor: Socket; answer: string }> {
  const visitor = pair.visit();
  const [answer] = (await once(visitor, 'data')) as [Buffer];
  return { visitor, answer: String(answer) };
}

/** Who answers so many visitors who stay, one after the other. */
async function answers(pair: Pair, count: number): Promise<{ names: string[]; visitors: Socket[] }> {
  const names: string[] = [];
  const visitors: Socket[] = [];
  for (let n = 0; n < count; n += 1) {
    const { visitor, answer } = await stay(pair);
    names.push(answer);
    visitors.push(visitor);
  }
  return { names, visitors };
}

test('visitors go to the client that has least in use', async (t) => {
  await using all = await twoClients('least-in-use');
  const { names, visitors } = await answers(all.pair, 4);
  t.deepEqual(names.toSorted(), ['one', 'one', 'two', 'two']);
  for (const visitor of visitors) visitor.destroy();
});

test('visitors go to each client in turn', async (t) => {
  await using all = await twoClients('round-robin');
  const names: string[] = [];
  for (let n = 0; n < 4; n += 1) names.push(await ask(all.pair.visit(), 'who?'));
  t.is(names[0], names[2]);
  t.is(names[1], names[3]);
  t.not(names[0], names[1]);
});

test('visitors go to the client that came first; when it dies only its own are lost, and the next has the others', async (t) => {
  await using all = await twoClients('failover');
  const { names, visitors } = await answers(all.pair, 3);
  t.deepEqual(names, ['one', 'one', 'one']);
  const lost = visitors.map((visitor) => once(visitor, 'error'));
  all.pair.client.pool.destroy();
  await Promise.all(lost);
  await until(() => all.pair.server.pool.groups.length === 1, 'the server has noticed');
  t.is(await ask(all.pair.visit(), 'who?'), 'two');
});

test('visitors whose target is down at one client wait for another, as long as visitors wait at all', async (t) => {
  await using target = await startNamed('one');
  await using pair = await startPair({ target: target.port, client: { minCapacity: 1, maxCapacity: 2 } });
  await using broken = new TunnelClient({
    pool: { dial: pair.server.pool.address ?? '', tls: { mode: 0 }, token: TOKEN, minCapacity: 8 },
    target: { host: '127.0.0.1', port: await freePort() },
  });
  await broken.start();
  await broken.pool.warmed(8);
  await pair.server.pool.warmed(9);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(pair.visit(), 'who?')));
  t.deepEqual(new Set(answers), new Set(['one']));
});

test('a visitor whose target is down at the only client is not kept waiting', async (t) => {
  await using pair = await startPair({ target: await freePort(), client: { minCapacity: 1 } });
  const visitor = pair.visit();
  await once(visitor, 'error');
  t.is(pair.server.pool.waiting, 0);
});
