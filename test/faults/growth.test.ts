/** A hundred restarts leave nothing behind: no memory, no handle, no listener, no connection. */
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Child } from '../helpers/child.ts';
import { until } from '../helpers/events.ts';
import { IDLE, startFaultPair } from '../helpers/fault-pair.ts';
import { type Holdings, holdings } from '../helpers/holdings.ts';
import { ask, startPair } from '../helpers/pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const RESTARTS = 100;

/** After so many, caches are filled and code is compiled; what grows from there on grows for ever. */
const WARM_UP = 40;

/** What compiled code and caches may still take behind that, bytes: less than a restart's one session would. */
const NOISE_BYTES = (RESTARTS - WARM_UP) * 10_000;

/** Nothing has grown from `before` to `after`. */
function same(t: ExecutionContext, before: Holdings, after: Holdings): void {
  const grown = after.heapBytes - before.heapBytes;
  const { heapBytes, ...rest } = after;
  t.log(
    `${Math.round(heapBytes / 1000)} kB, ${Math.round(grown / 1000)} more than after ${WARM_UP}; ${JSON.stringify(rest)}`,
  );
  t.true(grown < NOISE_BYTES, `${grown} bytes`);
  t.is(after.listeners, before.listeners);
  t.true(after.maps <= before.maps + 2, `${before.maps} maps, then ${after.maps}`);
  t.true(after.sets <= before.sets + 2, `${before.sets} sets, then ${after.sets}`);
}

/** Sockets and what else has a handle: as many as idle connections need, and a few that a busy round may have added. */
const FEW = 4;

/** Does something so many times, two at a time: one for each core. */
async function inTurns(times: number, step: () => Promise<void>): Promise<void> {
  let begun = 0;
  const turns = async (): Promise<void> => {
    while (begun++ < times) await step();
  };
  await Promise.all([turns(), turns()]);
}

/** What the server holds, asked the `nth` time. */
async function held(server: Child, nth: number): Promise<Holdings> {
  server.kill('SIGUSR2');
  const [, line = ''] = await server.printed(new RegExp(`(?:probe [^]*){${nth - 1}}probe (.*)\\n`));
  return JSON.parse(line) as Holdings;
}

test(`the client is started and ended ${RESTARTS} times, by turns with SIGKILL and SIGTERM: the server holds what it held`, async (t) => {
  await using target = await startTarget(echo);
  const probe = new URL('../helpers/probe.js', import.meta.url).href;
  const pair = await startFaultPair(t, { target: target.port, env: { NODE_OPTIONS: `--import=${probe}` } });
  let started = 0;
  const restart = async (): Promise<void> => {
    const signal = started++ % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
    const client = await pair.startClient(target.port);
    await client.printed(/"warm"/);
    const visitor = connect({ port: pair.port, host: '127.0.0.1', allowHalfOpen: true });
    // Its client may be the one that the other turn has just killed.
    await ask(visitor, 'hello').catch(() => {});
    client.kill(signal);
    await client.ended();
  };
  const restartTimes = async (times: number): Promise<void> => {
    await inTurns(times, restart);
    await until(() => pair.proxy.connections <= IDLE + FEW, 'only the first client is there');
  };
  await restartTimes(WARM_UP);
  let asked = 0;
  /** Asked again while a handshake is under way, whose deadline is a timer more. */
  const heldAtRest = async (): Promise<Holdings> => {
    let now = await held(pair.server, ++asked);
    for (let look = 0; look < 50 && (now.handles['Timeout'] ?? 0) > 1; look += 1)
      now = await held(pair.server, ++asked);
    return now;
  };
  const before = await heldAtRest();
  await restartTimes(RESTARTS - WARM_UP);
  const after = await heldAtRest();
  same(t, before, after);
  const { TCPSocketWrap = 0, TCPServerWrap, Timeout = 0 } = after.handles;
  t.true(TCPSocketWrap <= IDLE + FEW && TCPServerWrap === 2 && Timeout <= 1, JSON.stringify(after.handles));
  t.true(after.emitters <= before.emitters + 5 * FEW, `${before.emitters} emitters, then ${after.emitters}`);
  // Many restarts within a few seconds are told in one line, with how many were left out.
  const left = (): number =>
    [...pair.server.output.matchAll(/^.*"client left".*$/gm)]
      .map(([line]) => JSON.parse(line) as { leftOut?: number })
      .reduce((sum, { leftOut = 0 }) => sum + 1 + leftOut, 0);
  await until(() => left() >= RESTARTS, 'all restarts are told', 20_000);
  t.is(left(), RESTARTS);
  t.is(await ask(connect({ port: pair.port, host: '127.0.0.1', allowHalfOpen: true }), 'still here'), 'still here');
});

test(`a pair is started and ended ${RESTARTS} times in one process: it holds what it held`, async (t) => {
  await using target = await startTarget(echo);
  const restart = async (): Promise<void> => {
    await using pair = await startPair({ tls: 1, target: target.port, client: { minCapacity: 2 } });
    t.is(await ask(pair.visit(), 'hello'), 'hello');
  };
  await inTurns(WARM_UP, restart);
  const before = await holdings();
  await inTurns(RESTARTS - WARM_UP, restart);
  await until(() => process.getActiveResourcesInfo().length <= total(before), 'all handles are back');
  const after = await holdings();
  same(t, before, after);
  t.true(after.emitters <= before.emitters, `${before.emitters} emitters, then ${after.emitters}`);
});

function total({ handles }: Holdings): number {
  return Object.values(handles).reduce((sum, count) => sum + count, 0);
}
