/** What a client says when connections that were ready die. One pair of processes at a time: others test beside it. */
import { connect } from 'node:net';
import test from 'ava';
import type { Child } from '../helpers/child.ts';
import { askSoon } from '../helpers/cli-pair.ts';
import { until } from '../helpers/events.ts';
import { IDLE, startFaultPair } from '../helpers/fault-pair.ts';
import { ask } from '../helpers/pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

/** What is read of a log line. */
interface Line {
  readonly level: number;
  readonly msg: string;
  readonly reason?: string;
  readonly connections?: number;
}

const [DEBUG, INFO, WARN] = [20, 30, 40];

/** The lines with that message so far. */
function linesOf({ output }: Child, msg: string): Line[] {
  const lines = output.split('\n').filter((line) => line.endsWith('}'));
  return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.msg === msg);
}

const lossesOf = (client: Child): Line[] => linesOf(client, 'the connection to the server is lost');
const deathsOf = (client: Child): Line[] => linesOf(client, 'a connection is lost');
const returnsOf = (client: Child): Line[] => linesOf(client, 'the server is reached again');

test.serial(
  'a server that is killed: its loss is said once, with how many connections, and so is its return',
  async (t) => {
    await using target = await startTarget(echo);
    const pair = await startFaultPair(t, { target: target.port });
    pair.server.kill('SIGKILL');
    await pair.server.ended();
    await pair.client.printed(/the connection to the server is lost/);
    await pair.startServer();
    t.is(await askSoon(pair.port, 'back'), 'back');
    await pair.client.printed(/the server is reached again/);
    pair.client.kill('SIGTERM');
    t.is(await pair.client.ended(), 0);
    const [loss, ...more] = lossesOf(pair.client);
    t.deepEqual(more, []);
    t.is(loss?.level, WARN);
    t.true((loss?.connections ?? 0) >= IDLE, `${loss?.connections} connections`);
    t.is(returnsOf(pair.client).length, 1);
    t.deepEqual(deathsOf(pair.client), [], 'single ones are for who debugs');
  },
);

test.serial('connections that are reset on the way: said at once, though the next dial succeeds', async (t) => {
  await using target = await startTarget(echo);
  const { client, proxy } = await startFaultPair(t, { target: target.port });
  for (let times = 1; times <= 2; times += 1) {
    proxy.reset();
    await until(() => returnsOf(client).length === times, 'it is back');
    await until(() => proxy.connections >= IDLE, 'the pool is as warm as before');
  }
  t.deepEqual(
    lossesOf(client).map(({ level, reason }) => ({ level, reason })),
    Array.from({ length: 2 }, () => ({ level: WARN, reason: 'error' })),
  );
});

test.serial(
  'connections that the server ends in order, as it does with old ones, and takes again: nothing to warn of',
  async (t) => {
    await using target = await startTarget(echo);
    const { client, proxy } = await startFaultPair(t, { target: target.port });
    proxy.cut();
    await client.printed(/the server is reached again/);
    t.deepEqual(
      lossesOf(client).map(({ level, reason }) => ({ level, reason })),
      [{ level: INFO, reason: 'peer-closed' }],
    );
  },
);

test.serial('a single connection that dies is said at debug level', async (t) => {
  await using target = await startTarget(echo);
  const { client, proxy, port } = await startFaultPair(t, { target: target.port, client: ['--log-level', 'debug'] });
  const corrupted = proxy.corrupt('down');
  await t.throwsAsync(ask(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), 'hello'));
  await corrupted;
  await client.printed(/a connection is lost/);
  t.deepEqual(
    deathsOf(client).map(({ level, reason }) => ({ level, reason })),
    [{ level: DEBUG, reason: 'error' }],
  );
  t.deepEqual(lossesOf(client), []);
});

test.serial('connections that are replaced for their age are not lost, be it all at once', async (t) => {
  await using target = await startTarget(echo);
  const flags = ['--log-level', 'debug', '--max-lifetime', '200ms'];
  const { client, proxy } = await startFaultPair(t, { target: target.port, client: flags });
  await until(() => proxy.closed >= 3 * IDLE, 'some have been replaced');
  t.deepEqual([...deathsOf(client), ...lossesOf(client)], []);
});
