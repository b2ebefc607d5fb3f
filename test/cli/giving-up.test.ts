import test from 'ava';
import { GivingUp, type Patience } from '../../src/cli/giving-up.ts';
import { Servers, type ServersOptions } from '../../src/client/servers.ts';
import { DialError, type PooldError, RejectedError } from '../../src/shared/errors.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { logLines } from '../helpers/log-lines.ts';
import { TOKEN } from '../helpers/pair.ts';

/** A client of these servers that is about to give up. */
function watched(servers: readonly string[], patience: Partial<Patience>, more: Partial<ServersOptions> = {}) {
  const time = manualClock();
  const { log, lines } = logLines();
  const all = new Servers({
    servers,
    strategy: 'failover',
    pool: { tls: { mode: 0 }, token: TOKEN },
    clock: time.clock,
    ...more,
  });
  const rules = { exitOnReject: false, exitOnLoss: false, maxRetryCount: undefined, ...patience };
  let code: number | undefined;
  const givingUp = new GivingUp(rules);
  givingUp.watch(all, log);
  void givingUp.code.then((given) => (code = given));
  return {
    servers: all,
    time,
    lines,
    /** The exit code, once it has given up. */
    code: async (): Promise<number | undefined> => {
      await time.advance(0);
      return code;
    },
    fail: (at: number, error: PooldError, attempt = 1): void => {
      const pool = all.entries[at]?.pool;
      pool?.emit('dialFailed', { pool: pool.name, stage: 'connect', error, attempt, retryInMs: 1 });
    },
  };
}

const REFUSED = new DialError('connect', 'refused');

test('a server that once refused and now is only away is not given up', async (t) => {
  const { servers, fail, code } = watched(['127.0.0.1:1', '127.0.0.1:2'], {});
  fail(0, new RejectedError('auth', 'wrong token'));
  fail(0, REFUSED);
  fail(1, new RejectedError('auth', 'wrong token'));
  t.is(await code(), undefined);
  fail(0, new RejectedError('auth', 'wrong token'));
  t.is(await code(), 3);
  servers.destroy();
});

test('retries are counted at each server', async (t) => {
  const { servers, fail, code, lines } = watched(['127.0.0.1:1', '127.0.0.1:2'], { maxRetryCount: 1 });
  fail(0, REFUSED, 2);
  fail(1, REFUSED, 1);
  t.is(await code(), undefined);
  fail(1, REFUSED, 2);
  t.is(await code(), 4);
  t.deepEqual(lines, ['error given up after 1 retries: refused', 'error given up after 1 retries: refused']);
  servers.destroy();
});

test('lookups that fail are retries, while no name has a server', async (t) => {
  const answers = new Map<string, () => Promise<never[]>>();
  const failing = (): Promise<never> => Promise.reject(Object.assign(new Error('SERVFAIL'), { code: 'ESERVFAIL' }));
  const ask = (host: string): Promise<never[]> => (answers.get(host) ?? failing)();
  const resolver = { resolve4: ask, resolve6: ask, resolveSrv: failing };
  answers.set('slow.test', () => new Promise(() => {}));
  const names = ['dns:one.test:1', 'dns:slow.test:1'];
  const { servers, time, code, lines } = watched(names, { maxRetryCount: 2 }, { resolver });
  const faults: string[] = [];
  servers.on('fault', ({ error }) => faults.push(error.message));
  await servers.start();
  await until(() => faults.length === 1, 'the first lookup has failed');
  for (let lookup = 0; lookup < 4; lookup += 1) await time.advance(30_000);
  t.true(faults.length > 3);
  t.is(await code(), undefined, 'the other name has not failed yet');
  servers.destroy();
  const both = watched(['dns:one.test:1', 'dns:two.test:1'], { maxRetryCount: 2 }, { resolver });
  await both.servers.start();
  await until(() => both.time.timers >= 2, 'the first lookups have failed');
  t.is(await both.code(), undefined);
  for (let lookup = 0; lookup < 2; lookup += 1) await both.time.advance(30_000);
  t.is(await both.code(), 4);
  t.deepEqual(lines, []);
  t.regex(both.lines[0] ?? '', /^error given up after 2 retries: dns:\w+\.test:1: SERVFAIL/);
  both.servers.destroy();
});

/** A client of two tunnels. */
function severalTunnels() {
  const { log, lines } = logLines();
  const patience = { exitOnReject: false, exitOnLoss: false, maxRetryCount: undefined };
  const pool = { tls: { mode: 0 }, token: TOKEN } as const;
  const make = (server: string): Servers =>
    new Servers({ servers: [server], strategy: 'failover', pool, clock: manualClock().clock });
  const [web, db] = [make('127.0.0.1:1'), make('127.0.0.1:2')];
  const givingUp = new GivingUp(patience);
  let code: number | undefined;
  void givingUp.code.then((given) => (code = given));
  return {
    ...{ lines, web, db },
    watch: (servers: Servers) => givingUp.watch(servers, log),
    refuse: (servers: Servers): void => {
      const one = servers.entries[0]?.pool;
      const error = new RejectedError('tunnel', 'there is no such tunnel');
      one?.emit('dialFailed', { pool: one.name, stage: 'greeting', error, attempt: 1, retryInMs: 1 });
    },
    /** The exit code, once it has given up. */
    code: async (): Promise<number | undefined> => {
      await new Promise(setImmediate);
      return code;
    },
    [Symbol.dispose]: () => {
      web.destroy();
      db.destroy();
    },
  };
}

test('a client of several tunnels goes on while one of them has hope', async (t) => {
  using client = severalTunnels();
  const { web, db, watch, refuse, code, lines } = client;
  const leave = watch(web);
  watch(db);
  refuse(web);
  refuse(web);
  t.deepEqual(lines, ['error the server refuses this client: there is no such tunnel'], 'said once');
  t.is(await code(), undefined);
  // As after a reload: one that is left is not asked any more.
  leave();
  refuse(web);
  t.is(await code(), undefined);
  refuse(db);
  t.is(await code(), 3);
});

test('the tunnel that had hope may be replaced, but not go', async (t) => {
  using client = severalTunnels();
  const { web, db, watch, refuse, code } = client;
  const leave = watch(web);
  watch(db);
  refuse(db);
  // Replaced by a reload: another one of that name, in the same turn.
  leave();
  const leaveAgain = watch(web);
  t.is(await code(), undefined);
  leaveAgain();
  t.is(await code(), 3);
});
