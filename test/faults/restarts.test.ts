/** A process of the pair is killed under load and started again: how soon visits are served, and what is lost. */
import test, { type ExecutionContext } from 'ava';
import { startFaultPair } from '../helpers/fault-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, lasting, startVisitors } from '../helpers/visitor-load.ts';

interface Outage {
  readonly flow: 'reverse' | 'forward';
  readonly who: 'server' | 'client';
  readonly lastsMs: number;
  readonly rounds: number;
  /** How soon after the process is back a visit is to be answered, ms. */
  readonly goalMs: number;
}

const OUTAGES: readonly Outage[] = [
  { flow: 'reverse', who: 'client', lastsMs: 1000, rounds: 2, goalMs: 500 },
  { flow: 'reverse', who: 'server', lastsMs: 1000, rounds: 2, goalMs: 500 },
  { flow: 'reverse', who: 'server', lastsMs: 5000, rounds: 1, goalMs: 1500 },
  { flow: 'forward', who: 'client', lastsMs: 1000, rounds: 1, goalMs: 500 },
  { flow: 'forward', who: 'server', lastsMs: 1000, rounds: 1, goalMs: 500 },
];

/** By hand, because it takes a minute. */
const LONG: Outage = { flow: 'reverse', who: 'server', lastsMs: 60_000, rounds: 1, goalMs: 1500 };

/** The goals are for a machine that has time; this one runs tests. */
const SLACK = 3;

const VISITORS = 6;

async function survive(t: ExecutionContext, { flow, who, lastsMs, rounds, goalMs }: Outage): Promise<void> {
  await using target = await startTarget(echo);
  const pair = await startFaultPair(t, { flow, target: target.port });
  await using load = startVisitors({ port: pair.port, visitors: VISITORS, limitMs: 8000 });
  const took: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await load.answered(20);
    load.trouble = true;
    const served = load.served();
    pair[who].kill('SIGKILL');
    await pair[who].ended();
    await lasting(lastsMs);
    await (who === 'server' ? pair.startServer() : pair.startClient());
    const backAt = performance.now();
    took.push(Math.round((await served).endedAt - backAt));
    load.trouble = false;
  }
  await load.answered(50);
  const tally = await load.stop();
  // The kernel ends the sockets of a killed process in order: those who were at the entrance see no abort.
  const entrance = flow === 'reverse' ? 'server' : 'client';
  t.true(tally.short <= (who === entrance ? VISITORS * rounds : 0), `${tally.short} cut short`);
  t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
  t.log(`served again ${took.join(', ')} ms after the ${who} was back (goal ${goalMs} ms); ${JSON.stringify(tally)}`);
  for (const ms of took) t.true(ms <= goalMs * SLACK, `${ms} ms`);
}

for (const outage of OUTAGES) {
  const { flow, who, lastsMs } = outage;
  test(`${flow}: the ${who} is killed and comes back after ${lastsMs / 1000} s`, survive, outage);
}

(process.env['POOLD_LONG'] === undefined ? test.skip : test)('the server is away for a minute', survive, LONG);
