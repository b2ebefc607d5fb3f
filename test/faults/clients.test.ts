/** Two clients of one tunnel, and one of them is killed under load: the other's visits do not notice. */
import type { Socket } from 'node:net';
import test from 'ava';
import { until } from '../helpers/events.ts';
import { IDLE, startFaultPair } from '../helpers/fault-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, startVisitors } from '../helpers/visitor-load.ts';

/** More than one client has connections for, so that both are needed. */
const VISITORS = 3 * IDLE;
const ROUNDS = 2;

/** A target that echoes, and remembers which visits it has seen and how many are on. */
function rememberingEcho() {
  const seen = new Set<number>();
  const log = { seen, on: 0 };
  const serve = (socket: Socket): void => {
    log.on += 1;
    socket.on('close', () => (log.on -= 1));
    socket.once('data', (data: Buffer) => seen.add(Number(/^visit (\d+)/.exec(String(data.subarray(0, 20)))?.[1])));
    echo(socket);
  };
  return { log, serve };
}

test('one of two clients is killed: only its own visits are lost, the others and all later ones are served', async (t) => {
  const [first, second] = [rememberingEcho(), rememberingEcho()];
  await using firstTarget = await startTarget(first.serve);
  await using secondTarget = await startTarget(second.serve);
  const pair = await startFaultPair(t, { target: firstTarget.port, client: ['--max', `${IDLE}`] });
  let victim = await pair.startClient(secondTarget.port);
  await victim.printed(/"warm"/);
  await using load = startVisitors({ port: pair.port, visitors: VISITORS, pauseMs: 50, limitMs: 12_000 });
  const noticedMs: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    await load.answered(30);
    await until(() => second.log.on > 0 && first.log.on > 0, 'both have visits on');
    load.trouble = true;
    victim.kill('SIGKILL');
    const killedAt = performance.now();
    await pair.server.printed(new RegExp(`(client left.*){${round}}`, 's'));
    noticedMs.push(Math.round(performance.now() - killedAt));
    load.trouble = false;
    await load.answered(30);
    // Under this load it may never have all its connections idle at once, and so never say that it is warm.
    victim = await pair.startClient(secondTarget.port);
  }
  const tally = await load.stop();
  // Lost would be one that began after the server had noticed.
  t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
  t.is(tally.short, 0);
  const broken = load.visits.filter(({ outcome }) => outcome === 'refused');
  t.true(broken.length > 0 && broken.length <= VISITORS * ROUNDS, `${broken.length} broken off`);
  t.deepEqual(
    broken.filter(({ number }) => first.log.seen.has(number)),
    [],
  );
  t.true(first.log.seen.size > ROUNDS * 30);
  t.log(
    `noticed after ${noticedMs.join(', ')} ms; ${broken.length} visits lost in ${ROUNDS} kills; ${JSON.stringify(tally)}`,
  );
});
