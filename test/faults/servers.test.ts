/** One client of two servers, and one of them is killed under load: the other's visits do not notice. */
import test from 'ava';
import type { Child } from '../helpers/child.ts';
import { until } from '../helpers/events.ts';
import { type FaultServer, startFaultServers } from '../helpers/fault-servers.ts';
import { echo, startTarget, type Target } from '../helpers/targets.ts';
import { badOf, lasting, startVisitors, type VisitorLoad } from '../helpers/visitor-load.ts';

const VISITORS = 6;
const LIMIT_MS = 8000;

/** The goals are for a machine that has time; this one runs tests. */
const SLACK = 3;

/** For how long after a kill visits may still begin that are broken off, ms. */
const FAILOVER_MS = 100;

/** How soon after its return a server is to serve: after an outage of up to a second, and of any length, ms. */
const SOON_MS = 500;
const LATE_MS = 1500;

/** Longer than a circuit breaker's first pause, and the dial behind it. */
const RETURN_LIMIT_MS = 20_000;

/** How many lines the client has said about this server with these words, or this state of its breaker. */
function said({ output }: Child, { name }: FaultServer, what: string): number {
  return output.split('\n').filter((line) => line.includes(`"server":"${name}"`) && line.includes(`"${what}"`)).length;
}

/** Kills a server under load, and resolves once the client has noticed: visits that begin later have no excuse. */
async function killNoticed(client: Child, server: FaultServer, load: VisitorLoad): Promise<number> {
  const noticed = said(client, server, 'the connection to the server is lost');
  load.trouble = true;
  const killedAt = performance.now();
  await server.kill();
  await until(() => said(client, server, 'the connection to the server is lost') > noticed, 'the client has noticed');
  load.trouble = false;
  return killedAt;
}

/** Resolves when the target behind a server has visits again: the server is one of those that are asked in turn. */
async function visited(target: Target): Promise<void> {
  const { accepted } = target;
  await until(() => target.accepted > accepted + 10, 'it has visits', RETURN_LIMIT_MS);
}

test('forward: one of two servers is killed: visits fail over at once, and go to both again when it is back', async (t) => {
  await using first = await startTarget(echo);
  await using second = await startTarget(echo);
  const { client, servers } = await startFaultServers(t, 'forward', [first, second]);
  await using load = startVisitors({ port: servers[0].port, visitors: VISITORS, limitMs: LIMIT_MS });
  const rounds = [
    { server: servers[0], target: first, other: second },
    { server: servers[1], target: second, other: first },
    { server: servers[0], target: first, other: second },
  ];
  const lastBegunMs: number[] = [];
  const backMs: number[] = [];
  for (const { server, target, other } of rounds) {
    await visited(target);
    const killedAt = await killNoticed(client, server, load);
    await visited(other);
    await load.answered(50);
    await server.start();
    const backAt = performance.now();
    await visited(target);
    backMs.push(Math.round(performance.now() - backAt));
    const broken = load.visits.filter(({ outcome, endedAt }) => outcome !== 'answered' && endedAt > killedAt);
    lastBegunMs.push(Math.round(Math.max(0, ...broken.map(({ startedAt }) => startedAt - killedAt))));
  }
  const tally = await load.stop();
  t.deepEqual({ ...badOf(tally), short: tally.short }, { lost: 0, wrong: 0, hung: 0, short: 0 });
  t.true(tally.refused <= rounds.length * VISITORS, `${tally.refused} broken off`);
  for (const ms of lastBegunMs) t.true(ms <= FAILOVER_MS * SLACK, `${ms} ms`);
  t.log(
    `the last visit that was broken off began ${lastBegunMs.join(', ')} ms after the kill (goal ${FAILOVER_MS} ms); ` +
      `${tally.refused} in ${rounds.length} kills; visits there again ${backMs.join(', ')} ms after its return; ${JSON.stringify(tally)}`,
  );
});

test('reverse: one of two servers is killed: the visitors of the other notice nothing, its own are served at its return', async (t) => {
  await using one = await startTarget(echo);
  await using two = await startTarget(echo);
  const { client, servers } = await startFaultServers(t, 'reverse', [one, two]);
  await using first = startVisitors({ port: servers[0].port, visitors: VISITORS, limitMs: LIMIT_MS });
  await using second = startVisitors({ port: servers[1].port, visitors: VISITORS, limitMs: LIMIT_MS });
  const rounds = [
    { server: servers[0], load: first, other: second },
    { server: servers[1], load: second, other: first },
  ];
  const servedMs: number[] = [];
  for (const { server, load, other } of rounds) {
    await load.answered(20);
    const before = { ...other.tally };
    load.trouble = true;
    await server.kill();
    await lasting(SOON_MS);
    const served = load.served();
    await server.start();
    const backAt = performance.now();
    servedMs.push(Math.round((await served).endedAt - backAt));
    load.trouble = false;
    await Promise.all([load.answered(20), other.answered(20)]);
    t.true(other.tally.answered > before.answered + 20);
    t.deepEqual({ ...other.tally, sent: 0, answered: 0 }, { ...before, sent: 0, answered: 0 });
  }
  const tallies = await Promise.all([first.stop(), second.stop()]);
  for (const tally of tallies) {
    t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
    // The kernel ends the sockets of a killed entrance in order.
    t.true(tally.short <= VISITORS, `${tally.short} cut short`);
  }
  for (const ms of servedMs) t.true(ms <= SOON_MS * SLACK, `${ms} ms`);
  for (const server of servers) t.is(said(client, server, 'the connection to the server is lost'), 1);
  t.log(`served again ${servedMs.join(', ')} ms after the return (goal ${SOON_MS} ms); ${JSON.stringify(tallies)}`);
});

test('forward: the breaker of a server that stays away opens, and closes when it is back; the other serves all the while', async (t) => {
  await using first = await startTarget(echo);
  await using second = await startTarget(echo);
  const {
    client,
    servers: [server],
  } = await startFaultServers(t, 'forward', [first, second]);
  await using load = startVisitors({ port: server.port, visitors: VISITORS, limitMs: LIMIT_MS });
  await visited(first);
  await killNoticed(client, server, load);
  await until(() => said(client, server, 'open') > 0, 'the breaker is open');
  await visited(second);
  t.is(said(client, server, 'closed'), 0);
  await server.start();
  const backAt = performance.now();
  await until(() => said(client, server, 'closed') > 0, 'the breaker is closed', RETURN_LIMIT_MS);
  const closedMs = Math.round(performance.now() - backAt);
  await visited(first);
  const tally = await load.stop();
  t.deepEqual({ ...badOf(tally), short: tally.short }, { lost: 0, wrong: 0, hung: 0, short: 0 });
  t.true(tally.refused <= VISITORS, `${tally.refused} broken off`);
  t.log(`closed ${closedMs} ms after its return; ${JSON.stringify(tally)}`);
});

test('forward: the only server is dialled whatever its breaker says, and serves soon after its return', async (t) => {
  await using target = await startTarget(echo);
  const {
    client,
    servers: [server],
  } = await startFaultServers(t, 'forward', [target]);
  await using load = startVisitors({ port: server.port, visitors: VISITORS, limitMs: LIMIT_MS });
  await load.answered(20);
  load.trouble = true;
  await server.kill();
  const killedAt = performance.now();
  // The second pause is of ten seconds: one that is kept would show.
  await until(() => said(client, server, 'open') > 1, 'the breaker has opened twice', RETURN_LIMIT_MS);
  const served = load.served();
  await server.start();
  const backAt = performance.now();
  const servedMs = Math.round((await served).endedAt - backAt);
  load.trouble = false;
  await load.answered(50);
  const tally = await load.stop();
  t.deepEqual({ ...badOf(tally), short: tally.short }, { lost: 0, wrong: 0, hung: 0, short: 0 });
  t.true(servedMs <= LATE_MS * SLACK, `${servedMs} ms`);
  const awayMs = Math.round(backAt - killedAt);
  t.log(
    `served again ${servedMs} ms after its return (goal ${LATE_MS} ms), ${awayMs} ms after the kill; ${JSON.stringify(tally)}`,
  );
});
