/** A path that is slow, breaks connections or alters bytes: what is begun arrives whole, or is broken off for all to see. */
import test from 'ava';
import { until } from '../helpers/events.ts';
import { IDLE, startFaultPair } from '../helpers/fault-pair.ts';
import type { FaultProxy } from '../helpers/fault-proxy.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, startVisitors } from '../helpers/visitor-load.ts';

const LIMIT_MS = 15_000;
const VISITORS = 6;

for (const flow of ['reverse', 'forward'] as const) {
  test(`${flow}: a delay of 50 ms each way with jitter, then 200 kB a second: every visit is answered`, async (t) => {
    await using target = await startTarget(echo);
    const { proxy, port } = await startFaultPair(t, { flow, target: target.port });
    await using load = startVisitors({ port, visitors: VISITORS, limitMs: LIMIT_MS });
    await load.answered(20);
    const { closed } = proxy;
    for (const way of [proxy.up, proxy.down]) Object.assign(way, { delayMs: 50, jitterMs: 30 });
    await load.answered(40);
    for (const way of [proxy.up, proxy.down]) Object.assign(way, { delayMs: 0, jitterMs: 0, bytesPerSecond: 200_000 });
    await load.answered(30);
    for (const way of [proxy.up, proxy.down]) way.bytesPerSecond = 0;
    await load.answered(20);
    const tally = await load.stop();
    t.is(tally.answered, tally.sent);
    t.is(proxy.closed - closed, 0, 'connections that were given up');
    t.log(JSON.stringify(tally));
  });
}

/** What breaks connections, how often, and whether it costs one connection each time or all. */
interface Break {
  readonly name: string;
  readonly times: number;
  readonly perConnection: boolean;
  readonly strike: (proxy: FaultProxy) => Promise<void> | void;
}

const BREAKS: readonly Break[] = [
  { name: 'cut', times: 3, perConnection: false, strike: (proxy) => proxy.cut() },
  { name: 'reset', times: 3, perConnection: false, strike: (proxy) => proxy.reset() },
  { name: 'a corrupt byte to the server', times: 5, perConnection: true, strike: (proxy) => proxy.corrupt('up') },
  { name: 'a corrupt byte to the client', times: 5, perConnection: true, strike: (proxy) => proxy.corrupt('down') },
];

/** In a forward tunnel the same code does it: one fault of each kind there. */
const FORWARD = new Set(['reset', 'a corrupt byte to the client']);

for (const flow of ['reverse', 'forward'] as const) {
  const breaks = BREAKS.filter(({ name }) => flow === 'reverse' || FORWARD.has(name));
  for (const { name, times, perConnection, strike } of breaks) {
    test(`${flow}: ${name}, ${times} times under load: visits are broken off, never wrong, and the pool is warm again`, async (t) => {
      await using target = await startTarget(echo);
      const { proxy, port } = await startFaultPair(t, { flow, target: target.port });
      await using load = startVisitors({ port, visitors: VISITORS, limitMs: LIMIT_MS });
      const warmAgainMs: number[] = [];
      for (let time = 0; time < times; time += 1) {
        await load.answered(10);
        const { closed } = proxy;
        const most = perConnection ? 1 : proxy.connections;
        load.trouble = true;
        await strike(proxy);
        const struckAt = performance.now();
        await until(() => proxy.closed > closed, 'a connection has broken');
        const served = load.served();
        await until(() => proxy.connections >= IDLE, 'the pool is as warm as before');
        await served;
        warmAgainMs.push(Math.round(performance.now() - struckAt));
        load.trouble = false;
        t.true(proxy.closed - closed <= most, `${proxy.closed - closed} connections broke, not ${most}`);
      }
      await load.answered(20);
      const tally = await load.stop();
      t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
      t.is(tally.short, 0);
      if (perConnection) t.true(tally.refused <= times, `${tally.refused} visits were broken off by ${times} bytes`);
      t.log(`warm and serving again after ${warmAgainMs.join(', ')} ms; ${JSON.stringify(tally)}`);
    });
  }
}
