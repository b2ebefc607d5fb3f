import test from 'ava';
import { until } from '../helpers/events.ts';
import { ask, startPair } from '../helpers/pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

/** Handles that only poold could have left: sockets, servers, timers that keep the process alive. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Pipe|Timeout/.test(name));
}

for (const tls of [0, 1, 2] as const) {
  test.serial(`TLS mode ${tls}: nothing is left after close`, async (t) => {
    const before = handles().length;
    {
      await using target = await startTarget(echo);
      await using pair = await startPair({ tls, target: target.port });
      await Promise.all(Array.from({ length: 20 }, (_, index) => ask(pair.visit(), `visit ${index}`)));
      const visitor = pair.visit();
      visitor.write('abandoned');
      visitor.on('error', () => {});
    }
    await until(() => handles().length <= before, `no more than ${before} handles are left, not ${handles().join()}`);
    t.pass();
  });
}
