import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { TunnelServer } from '../../src/server/tunnel-server.ts';
import { InvalidOptionError, VisitorRefusedError } from '../../src/shared/errors.ts';
import type { Tunnel } from '../../src/shared/tunnel/tunnel.ts';
import type { VisitRefusedEvent } from '../../src/shared/tunnel/visit-events.ts';
import type { VisitorsOptions } from '../../src/shared/tunnel/visitor-rules.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { ask, type PairOptions, startPair, TOKEN } from '../helpers/pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

type Flow = NonNullable<PairOptions['flow']>;

interface Setup {
  readonly flow?: Flow;
  readonly options?: Partial<PairOptions>;
}

/** A tunnel with rules for visitors; who is turned away, and how. */
async function startLimited(visitors: VisitorsOptions, { flow = 'reverse', options = {} }: Setup = {}) {
  const target = await startTarget(echo);
  const sides = flow === 'reverse' ? { tunnelServer: { visitors } } : { tunnelClient: { visitors } };
  const pair = await startPair({ flow, target: target.port, client: { minCapacity: 4 }, ...sides, ...options });
  const tunnel: Tunnel = flow === 'reverse' ? pair.server : pair.client;
  const refused: VisitRefusedEvent[] = [];
  tunnel.on('visitRefused', (event) => refused.push(event));
  const port = tunnel.address?.port ?? 0;
  /** A visitor who comes from one of this machine's addresses, and stays. */
  const come = (from = '127.0.0.1'): Socket =>
    connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true, noDelay: true });
  return {
    pair,
    tunnel,
    refused,
    come,
    reasons: () => refused.map(({ error }) => (error as VisitorRefusedError).reason),
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}

/** What becomes of a visitor who says hello: served, or the code of the error. */
async function fateOf(visitor: Socket): Promise<string> {
  const broken = new Promise<string>((resolve) => {
    visitor.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
  const answered = once(visitor, 'data').then(
    () => 'served',
    () => '',
  );
  visitor.write('hello');
  const fate = await Promise.race([answered, broken]);
  return fate === '' ? await broken : fate;
}

const flows = test.macro({
  title: (_, flow: Flow) => `case 16: who is denied is broken off at once, and the others are served (${flow})`,
  async exec(t, flow: Flow) {
    await using one = await startLimited({ allow: ['127.0.0.0/28'], deny: ['127.0.0.2'] }, { flow });
    t.is(await fateOf(one.come()), 'served');
    t.is(await fateOf(one.come('127.0.0.2')), 'ECONNRESET');
    t.is(await fateOf(one.come('127.0.0.3')), 'served');
    t.is(await fateOf(one.come('127.0.1.1')), 'ECONNRESET');
    await until(() => one.refused.length === 2, 'both are told');
    t.deepEqual(one.reasons(), ['denied', 'denied']);
    for (const { error, waitedMs } of one.refused) {
      t.true(error instanceof VisitorRefusedError);
      t.is((error as VisitorRefusedError).code, 'POOLD_ERR_VISITOR_REFUSED');
      t.is(waitedMs, 0);
    }
    t.regex(one.refused[0]?.remote ?? '', /^127\.0\.0\.2:\d+$/);
    t.is(one.tunnel.visitorStats()?.refused.denied, 2);
    t.is(one.tunnel.visits, 2);
  },
});

test(flows, 'reverse');
test(flows, 'forward');

test('case 16: at the most visitors the next is broken off, those who are in go on, and a place is free again', async (t) => {
  await using one = await startLimited({ maxVisitors: 2 });
  const [first, second] = [one.come(), one.come('127.0.0.2')];
  t.deepEqual([await fateOf(first), await fateOf(second)], ['served', 'served']);
  t.is(await fateOf(one.come('127.0.0.3')), 'ECONNRESET');
  t.deepEqual(one.reasons(), ['full']);
  t.is(await fateOf(second), 'served');
  first.destroy();
  await until(() => one.tunnel.visitorStats()?.visitors === 1, 'the first has left');
  t.is(await fateOf(one.come('127.0.0.3')), 'served');
});

test('case 16: one address does not keep the others out', async (t) => {
  await using one = await startLimited({ maxVisitorsPerAddress: 2 });
  t.deepEqual([await fateOf(one.come()), await fateOf(one.come())], ['served', 'served']);
  t.is(await fateOf(one.come()), 'ECONNRESET');
  t.is(await fateOf(one.come('127.0.0.2')), 'served');
  t.deepEqual(one.reasons(), ['address']);
  t.is(one.tunnel.visitorStats()?.addresses, 2);
});

test('case 16: who comes more often than the rate is broken off until the time has passed', async (t) => {
  const time = manualClock();
  const options: Partial<PairOptions> = {
    tunnelServer: { visitors: { visitorRate: 1, visitorBurst: 2 }, clock: time.clock },
  };
  await using one = await startLimited({}, { options });
  const visit = async (): Promise<string> => {
    const visitor = one.come();
    const fate = await fateOf(visitor);
    visitor.destroy();
    return fate;
  };
  t.deepEqual([await visit(), await visit(), await visit()], ['served', 'served', 'ECONNRESET']);
  await time.advance(1000);
  t.deepEqual([await visit(), await visit()], ['served', 'ECONNRESET']);
  t.deepEqual(one.reasons(), ['rate', 'rate']);
});

test('case 16: visitors of one IPv6 network count as one, beside those of IPv4', async (t) => {
  const listening = { tunnelServer: { public: '[::]:0', visitors: { maxVisitorsPerAddress: 1 } } };
  await using one = await startLimited({}, { options: listening });
  const port = one.tunnel.address?.port ?? 0;
  const six = (): Socket => connect({ port, host: '::1' });
  t.is(await fateOf(six()), 'served');
  t.is(await fateOf(six()), 'ECONNRESET');
  t.is(await fateOf(one.come()), 'served');
  t.is(await fateOf(one.come()), 'ECONNRESET');
  t.deepEqual(one.reasons(), ['address', 'address']);
});

test('case 16: a crowd at the door does no harm to who is in', async (t) => {
  await using one = await startLimited({ maxVisitors: 1 });
  const inside = one.come();
  t.is(await fateOf(inside), 'served');
  const crowd = Array.from({ length: 200 }, (_, n) => fateOf(one.come(`127.0.0.${2 + (n % 100)}`)));
  t.is(await fateOf(inside), 'served');
  t.deepEqual([...new Set(await Promise.all(crowd))], ['ECONNRESET']);
  t.is(one.tunnel.visitorStats()?.refused.full, 200);
  inside.destroy();
  await until(() => one.tunnel.visitorStats()?.visitors === 0, 'nobody is in');
  t.is(await ask(one.come(), 'hello'), 'hello');
});

test('rules are replaced while visitors are in: they stay, and who comes is judged by the new ones', async (t) => {
  await using one = await startLimited({});
  const inside = one.come();
  t.is(await fateOf(inside), 'served');
  one.tunnel.setVisitorRules({ deny: ['127.0.0.1'] });
  t.is(await fateOf(inside), 'served');
  t.is(await fateOf(one.come()), 'ECONNRESET');
  const wrong = { deny: ['127.0.0.2', '10.0.0.0/33'] };
  const error = t.throws(() => one.tunnel.setVisitorRules(wrong), { instanceOf: InvalidOptionError });
  t.is(error?.option, 'visitors.deny');
  t.is(await fateOf(one.come('127.0.0.2')), 'served');
  t.is(await fateOf(one.come()), 'ECONNRESET');
  one.tunnel.setVisitorRules({});
  t.is(await fateOf(one.come()), 'served');
});

test('a visitor who breaks off while it waits for a connection gives its place back', async (t) => {
  await using one = await startLimited({ maxVisitors: 1 }, { options: { client: { minCapacity: 1, maxCapacity: 1 } } });
  const lease = one.pair.server.pool.tryAcquire();
  const waiting = one.come();
  await until(() => one.pair.server.pool.waiting === 1, 'it waits');
  t.is(one.tunnel.visitorStats()?.visitors, 1);
  waiting.resetAndDestroy();
  await until(() => one.tunnel.visitorStats()?.visitors === 0, 'it has left');
  lease?.release();
  t.is(await fateOf(one.come()), 'served');
});

test('a visitor that another process takes keeps its place here, and comes back without a second judgement', async (t) => {
  const passed: Socket[] = [];
  const tunnelServer = {
    visitors: { maxVisitors: 1 },
    passOn: (socket: Socket) => {
      passed.push(socket);
      return true;
    },
  };
  await using one = await startLimited({}, { options: { client: { minCapacity: 1, maxCapacity: 1 }, tunnelServer } });
  const { server } = one.pair;
  const lease = server.pool.tryAcquire();
  const visitor = one.come();
  await until(() => passed.length === 1, 'it is passed on');
  t.is(one.tunnel.visitorStats()?.visitors, 1);
  t.is(await fateOf(one.come('127.0.0.2')), 'ECONNRESET');
  lease?.release();
  server.welcome(passed[0] as Socket, { remote: '127.0.0.1:1', local: '127.0.0.1:2' });
  t.is(await ask(visitor, 'hello'), 'hello');
  await until(() => one.tunnel.visitorStats()?.visitors === 0, 'it has left');
  t.is(one.refused.length, 1);
});

test('the side where visitors do not come in takes no rules for them', async (t) => {
  await using one = await startLimited({});
  const { client } = one.pair;
  t.is(client.visitorStats(), undefined);
  const error = t.throws(() => client.setVisitorRules({ maxVisitors: 5 }), { instanceOf: InvalidOptionError });
  t.is(error?.option, 'visitors.maxVisitors');
  const pool = { dial: '127.0.0.1:1', token: TOKEN };
  const made = t.throws(() => new TunnelClient({ pool, target: '3000', visitors: { deny: [] } }));
  t.is((made as InvalidOptionError).option, 'visitors.deny');
  const exit = { pool: new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, opener: 'client' }), target: '3000' };
  t.throws(() => new TunnelServer({ ...exit, visitors: { maxVisitors: 1 } }), { instanceOf: InvalidOptionError });
});

test('visitors who find the queue full, and those who wait in vain, are counted', async (t) => {
  const time = manualClock();
  const pool = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, maxWaiting: 2, clock: time.clock });
  await using tunnel = new TunnelServer({ pool, public: '127.0.0.1:0', waitMs: 1000, clock: time.clock });
  await tunnel.start();
  const refused = () => tunnel.visitorStats()?.refused;
  const { port = 0 } = tunnel.address ?? {};
  const crowd = Array.from({ length: 5 }, () => fateOf(connect(port, '127.0.0.1')));
  await until(() => refused()?.['queue-full'] === 3 && pool.waiting === 2, 'two wait');
  t.is(refused()?.timeout, 0);
  await time.advance(1000);
  await until(() => refused()?.timeout === 2, 'they have waited in vain');
  t.deepEqual([...new Set(await Promise.all(crowd))], ['ECONNRESET']);
});

test('what holds no rules is refused by its name', (t) => {
  const pool = () => new ServerPool({ listen: '127.0.0.1:0', token: TOKEN });
  const make = (options: object) => () => new TunnelServer({ pool: pool(), public: '127.0.0.1:0', ...options });
  const udp = { protocol: 'udp' };
  for (const visitors of [[], null, 7, ['10.0.0.1']]) {
    const error = { message: /^visitors: wants an object/ };
    t.throws(make({ visitors }), error);
    t.throws(make({ visitors, ...udp }), error);
    for (const tunnel of [make({})(), make(udp)()]) t.throws(() => tunnel.setVisitorRules(visitors as never), error);
    const exit = { pool: new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, opener: 'client' }), target: '3000' };
    t.throws(() => new TunnelServer({ ...exit, visitors } as never), error);
  }
});
