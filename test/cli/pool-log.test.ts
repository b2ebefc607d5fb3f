import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import test from 'ava';
import { logClient, logPublic, logServer } from '../../src/cli/pool-log.ts';
import { Dial } from '../../src/client/dial.ts';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { TunnelServer } from '../../src/server/tunnel-server.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { TokenRing } from '../../src/shared/session/token-ring.ts';
import { FrameType } from '../../src/shared/wire/frame.ts';
import { until } from '../helpers/events.ts';
import { logLines } from '../helpers/log-lines.ts';
import { Address, answer, get } from '../helpers/public-address.ts';
import { sayTo } from '../helpers/raw-visitor.ts';
import { manualClock } from '../helpers/clock.ts';
import { TOKEN } from '../helpers/pair.ts';

/** A client of its own, just let in. */
function greetedSocket(port: number, tokens: TokenRing): Promise<Duplex> {
  return new Promise((onGreeted, onFailed) => {
    const hello = { tunnel: 'default', client: randomBytes(16).toString('hex'), agent: 'flood/1' };
    const rules = {
      to: { host: '127.0.0.1', port },
      tls: undefined,
      fingerprint: undefined,
      proxy: undefined,
      keepAliveMs: 0,
      idFormat: 'text8' as const,
      greeting: { tokens, hello },
      handshakeTimeoutMs: 5000,
      clock: systemClock,
    };
    const owner = { onRaw: () => {}, onGreeted: (_id: string, socket: Duplex) => onGreeted(socket), onFailed };
    void new Dial(rules, owner);
  });
}

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

test('a client that comes and goes as fast as it can, and breaks the protocol, does not flood the log', async (t) => {
  const time = manualClock();
  const pool = new ServerPool({ listen: '127.0.0.1:0', tls: { mode: 0 } });
  const server = new TunnelServer({ pool, public: '127.0.0.1:0' });
  const { log, lines } = logLines();
  logServer(server, log, time.clock);
  let [joined, faults] = [0, 0];
  pool.on('connectionReady', () => (joined += 1));
  pool.on('fault', () => (faults += 1));
  await server.start();
  const { port = 0 } = pool.address ?? {};
  const tokens = await TokenRing.from([]);
  const comeAndGo = async (): Promise<void> => {
    const socket = await greetedSocket(port, tokens);
    // A CHALLENGE has no place behind the greeting.
    socket.end(Buffer.from([FrameType.challenge, 0, 0, 0, 0, 0, 0, 0]));
    await once(socket.resume(), 'close');
  };
  for (let n = 0; n < 40; n += 1) await comeAndGo();
  await until(() => pool.idle === 0 && faults === 40, 'all have left');
  t.is(joined, 40);
  const of = (text: RegExp) => lines.filter((line) => text.test(line));
  t.is(of(/client joined/).length, 10);
  t.is(of(/client left/).length, 10);
  t.is(of(/^warn (?!visitor)/).length, 1, lines.join('\n'));
  await time.advance(5000);
  t.deepEqual(of(/left out/).slice(0, 2), ['info client joined (29 left out)', 'info client left (29 left out)']);
  t.regex(of(/^warn .*left out/)[0] ?? '', /\(38 left out\)$/);
  await server.close({ graceMs: 0 });
});

test('visitors turned away at a shared address are told with the host that nobody has', async (t) => {
  await using at = new Address();
  const { log, lines } = logLines();
  logPublic(at.listener, log);
  await at.tunnel(['a.example'], answer('A'));
  for (let n = 0; n < 3; n += 1) await sayTo(at.port, [get('b.example')]).fate;
  t.is(lines.length, 1);
  t.regex(lines[0] ?? '', /^warn visitor turned away: no tunnel at this address has the host .*\(b\.example\)/);
});
