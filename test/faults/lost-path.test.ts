/** A path that is silently gone, in one direction or both: it is noticed in time, and used again when it is back. */
import test, { type ExecutionContext } from 'ava';
import { until } from '../helpers/events.ts';
import { type FaultPair, IDLE, startFaultPair } from '../helpers/fault-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, lasting, startVisitors } from '../helpers/visitor-load.ts';

const KEEP_ALIVE_MS = 1000;
const TIMEOUT_MS = 500;
const HANDSHAKE_MS = 1000;
const STALL_MS = 1000;
const WAIT_MS = 2000;

/** How soon the client is to know that its idle connections are dead (docs/protocol.md, "Liveness"), ms. */
const NOTICE_MS = Math.round(1.1 * (KEEP_ALIVE_MS + TIMEOUT_MS));

/** How long the dial that the path's return finds under way may still take to fail, and the pause behind it, ms. */
const RETURN_MS = HANDSHAKE_MS + 1000;

/** Longer than the slower side, the server, takes: its silence, the answer's time, and a look at it all, ms. */
const OUTAGE_MS = 2 * KEEP_ALIVE_MS + STALL_MS + 1000;

/** The bounds are for a machine that has time; this one runs tests. */
const SLACK = 3;

const FLAGS = {
  both: [
    ...['--keep-alive', `${KEEP_ALIVE_MS}ms`, '--keep-alive-timeout', `${TIMEOUT_MS}ms`],
    ...['--handshake-timeout', `${HANDSHAKE_MS}ms`, '--stall-timeout', `${STALL_MS}ms`],
  ],
  entrance: ['--wait', `${WAIT_MS}ms`],
};

type Ways = readonly ('up' | 'down')[];

const LOSSES: readonly { readonly name: string; readonly ways: Ways }[] = [
  { name: 'both ways are silently gone', ways: ['up', 'down'] },
  { name: 'only the way to the server is gone', ways: ['up'] },
  { name: 'only the way to the client is gone', ways: ['down'] },
];

function lose({ proxy }: FaultPair, ways: Ways, lost: boolean): void {
  for (const way of ways) proxy[way].lost = lost;
}

/** Nobody visits, so that all there is to notice it by is the silence. */
async function notice(t: ExecutionContext, ways: Ways): Promise<void> {
  await using target = await startTarget(echo);
  const pair = await startFaultPair(t, { target: target.port, ...FLAGS });
  const { proxy, client } = pair;
  const { left, connections } = proxy;
  lose(pair, ways, true);
  const lostAt = performance.now();
  await until(() => proxy.left > left, 'the first is given up');
  const firstMs = Math.round(performance.now() - lostAt);
  await until(() => proxy.left >= left + connections, 'all are given up');
  const noticedMs = Math.round(performance.now() - lostAt);
  await client.printed(/POOLD_ERR_HANDSHAKE_TIMEOUT/);
  const saidMs = Math.round(performance.now() - lostAt);
  lose(pair, ways, false);
  const backAt = performance.now();
  await using load = startVisitors({ port: pair.port, limitMs: 20_000 });
  load.trouble = true;
  await load.served();
  const servedMs = Math.round(performance.now() - backAt);
  load.trouble = false;
  await client.printed(/the server is reached again/);
  await load.answered(50);
  t.deepEqual(badOf(await load.stop()), { lost: 0, wrong: 0, hung: 0 });
  const all = `dead ones given up after ${firstMs} to ${noticedMs} ms (goal ${NOTICE_MS}), said after ${saidMs} ms`;
  t.log(`${all}; served ${servedMs} ms after the path was back (goal ${RETURN_MS})`);
  t.true(noticedMs <= NOTICE_MS * SLACK, `${noticedMs} ms`);
  t.true(saidMs <= (NOTICE_MS + HANDSHAKE_MS) * SLACK, `${saidMs} ms`);
  t.true(servedMs <= RETURN_MS * SLACK, `${servedMs} ms`);
}

/** Visits that are on when the path goes are broken off in time, and nobody gets wrong bytes. */
async function breakOff(t: ExecutionContext, ways: Ways, flow: 'reverse' | 'forward'): Promise<void> {
  await using target = await startTarget(echo);
  const pair = await startFaultPair(t, { flow, target: target.port, ...FLAGS });
  await using load = startVisitors({ port: pair.port, limitMs: OUTAGE_MS + WAIT_MS + RETURN_MS });
  await load.answered(30);
  load.trouble = true;
  const { sent } = load.tally;
  lose(pair, ways, true);
  await lasting(OUTAGE_MS);
  lose(pair, ways, false);
  const backAt = performance.now();
  await load.served();
  const servedMs = Math.round(performance.now() - backAt);
  load.trouble = false;
  await load.answered(50);
  await until(() => pair.proxy.connections >= IDLE, 'the pool is as warm as before');
  const tally = await load.stop();
  t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
  t.is(tally.short, 0);
  t.true(tally.refused > 0);
  const during = load.visits.filter(({ number, outcome }) => number > sent - 6 && outcome !== 'answered');
  const longestMs = Math.round(Math.max(...during.map(({ startedAt, endedAt }) => endedAt - startedAt)));
  t.log(
    `broken off after ${longestMs} ms at most; served ${servedMs} ms after the path was back; ${JSON.stringify(tally)}`,
  );
  t.true(servedMs <= RETURN_MS * SLACK, `${servedMs} ms`);
}

for (const { name, ways } of LOSSES) test(`case 15: ${name}: idle connections are given up and replaced`, notice, ways);
for (const { name, ways } of LOSSES.filter((loss) => loss.ways.includes('down'))) {
  test(`${name}: visits are broken off, and served again later`, breakOff, ways, 'reverse');
}
test(
  'forward: both ways are silently gone: visits are broken off, and served again later',
  breakOff,
  ['up', 'down'],
  'forward',
);
