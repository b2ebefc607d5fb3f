/** Connections that are reset while they wait for a visitor. */
import test from 'ava';
import { until } from '../helpers/events.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { ask, startPair, TOKEN } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';
import { TunnelClient } from '../../src/client/tunnel-client.ts';

const IDLE = 12;
const MAX_CONNECTING = 2;

for (const tls of [0, 1] as const) {
  test(`case 13: all idle connections are reset at once: visitors get those that live, and the refill is bounded (TLS mode ${tls})`, async (t) => {
    const listen = await freePort();
    await using target = await startTarget(echo);
    await using proxy = await startFaultProxy(listen);
    await using pair = await startPair({
      tls,
      target: target.port,
      server: { listen: `127.0.0.1:${listen}` },
      client: {
        ...{ dial: { host: '127.0.0.1', port: proxy.port } },
        ...{ minCapacity: IDLE, maxConnecting: MAX_CONNECTING },
      },
    });
    // Another client, whose one connection does not pass the proxy.
    const other = new TunnelClient({
      target: { host: '127.0.0.1', port: target.port },
      pool: { dial: `127.0.0.1:${listen}`, tls: { mode: tls }, token: TOKEN, minCapacity: 1, maxCapacity: 1 },
    });
    await other.start();
    await pair.server.pool.warmed(IDLE + 1);
    const { pool } = pair.client;
    const { pool: serverPool } = pair.server;
    proxy.reset();
    await until(() => serverPool.idle <= 1 + MAX_CONNECTING, 'the server has noticed');
    const began = proxy.accepted;
    let most = 0;
    const answers = Array.from({ length: 8 }, (_, index) => ask(pair.visit(), `visitor ${index}`));
    const full = until(() => {
      most = Math.max(most, pool.connecting);
      return pool.idle >= IDLE;
    }, 'all are back');
    t.deepEqual(
      await Promise.all(answers),
      Array.from({ length: 8 }, (_, index) => `visitor ${index}`),
    );
    await full;
    t.true(most >= 1 && most <= MAX_CONNECTING, `${most} dials at a time`);
    t.log(`${proxy.accepted - began} dials, ${most} at a time`);
    await other.close({ graceMs: 0 });
  });
}

test('case 13: without a connection that lives, visitors wait for the first that is back', async (t) => {
  const listen = await freePort();
  await using target = await startTarget(echo);
  await using proxy = await startFaultProxy(listen);
  await using pair = await startPair({
    ...{ tls: 1, target: target.port },
    server: { listen: `127.0.0.1:${listen}` },
    client: { dial: { host: '127.0.0.1', port: proxy.port }, minCapacity: 8 },
  });
  proxy.reset();
  await until(() => pair.server.pool.idle === 0, 'the server has noticed');
  const answers = Array.from({ length: 8 }, (_, index) => ask(pair.visit(), `visitor ${index}`));
  t.deepEqual(
    await Promise.all(answers),
    Array.from({ length: 8 }, (_, index) => `visitor ${index}`),
  );
});
