import test from 'ava';
import { logClient } from '../../src/cli/pool-log.ts';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { until } from '../helpers/events.ts';
import { logLines } from '../helpers/log-lines.ts';
import { manualClock } from '../helpers/clock.ts';
import { TOKEN } from '../helpers/pair.ts';

test('a name that cannot be looked up is warned about once for each reason, and its recovery is told', async (t) => {
  const time = manualClock();
  let answer: () => Promise<{ address: string; ttl: number }[]>;
  let lookups = 0;
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
  const resolve4 = (): Promise<{ address: string; ttl: number }[]> => {
    lookups += 1;
    return answer();
  };
  const resolver = { resolve4, resolve6: () => Promise.resolve([]), resolveSrv: () => Promise.resolve([]) };
  const pool = { dial: 'dns:tunnel.test:1', tls: { mode: 0 as const }, token: TOKEN, minCapacity: 0 };
  const client = new TunnelClient({ pool, local: '127.0.0.1:0', clock: time.clock, group: { resolver } });
  const { log, lines } = logLines();
  logClient(client, log);
  const next = async (wanted: () => Promise<{ address: string; ttl: number }[]>): Promise<string> => {
    const [known, before] = [lines.length, lookups];
    answer = wanted;
    if (before === 0) await client.start();
    else await time.advance(30_000);
    await until(() => lines.length > known, 'a line is logged');
    return (lines.splice(0)[0] ?? '').replace(/ms;.*/, 'ms');
  };
  t.regex(await next(failing('ETIMEOUT')), /^warn dns:tunnel\.test:1: ETIMEOUT; going on with 0 known .* in \d+ ms$/);
  t.regex(await next(failing('ETIMEOUT')), /^debug dns:tunnel\.test:1: ETIMEOUT/);
  t.regex(await next(failing('ESERVFAIL')), /^warn dns:tunnel\.test:1: ESERVFAIL/);
  t.is(await next(() => Promise.resolve([{ address: '127.0.0.1', ttl: 5 }])), 'info the name is answered again');
  t.regex(await next(failing('ESERVFAIL')), /^warn /, 'a new trouble');
  client.servers.destroy();
  await client.close({ graceMs: 0 });
});
