/** A process is stopped for a while and goes on (SIGSTOP, as a paused machine does): nobody pays for its silence. */
import test, { type ExecutionContext } from 'ava';
import { startFaultPair } from '../helpers/fault-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, lasting, startVisitors } from '../helpers/visitor-load.ts';

const STOP_MS = 3000;

/** How long a visitor waits for a connection, and how long one may take in all: the stop, a wait, and a little, ms. */
const WAIT_MS = 2000;
const LIMIT_MS = STOP_MS + WAIT_MS + 2000;

interface Stop {
  readonly flow: 'reverse' | 'forward';
  readonly who: 'server' | 'client';
  /** Flags that make the stopped side impatient, and leave the other patient enough for the stop. */
  readonly flags: readonly string[];
}

const STOPS: readonly Stop[] = [
  // It gives up after two seconds of silence.
  { flow: 'reverse', who: 'server', flags: ['--keep-alive', '1s'] },
  // It wants its answers within half a second.
  { flow: 'reverse', who: 'client', flags: ['--keep-alive', '1s', '--keep-alive-timeout', '500ms'] },
  { flow: 'forward', who: 'server', flags: ['--keep-alive', '1s'] },
];

async function survive(t: ExecutionContext, { flow, who, flags }: Stop): Promise<void> {
  await using target = await startTarget(echo);
  const entrance = ['--wait', `${WAIT_MS}ms`];
  const pair = await startFaultPair(t, { flow, target: target.port, entrance, [who]: flags });
  await using load = startVisitors({ port: pair.port, limitMs: LIMIT_MS });
  await load.answered(50);
  const { closed } = pair.proxy;
  load.trouble = true;
  pair[who].kill('SIGSTOP');
  await lasting(STOP_MS);
  pair[who].kill('SIGCONT');
  const backAt = performance.now();
  const { endedAt } = await load.served();
  load.trouble = false;
  await load.answered(50);
  // Whoever was blamed for the silence would be gone by now.
  await lasting(1000);
  const tally = await load.stop();
  t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
  t.is(tally.short, 0);
  t.is(pair.proxy.closed - closed, 0, 'connections that were thrown out');
  t.notRegex(pair.server.output, /client left/);
  const longest = Math.round(Math.max(...load.visits.map((visit) => visit.endedAt - visit.startedAt)));
  t.log(
    `served ${Math.round(endedAt - backAt)} ms after it went on; longest visit ${longest} ms; ${JSON.stringify(tally)}`,
  );
}

for (const stop of STOPS) test(`${stop.flow}: the ${stop.who} is stopped for ${STOP_MS / 1000} s`, survive, stop);
