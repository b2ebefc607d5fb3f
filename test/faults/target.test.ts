/** The target is killed under load and comes back: visitors are told, and no pooled connection is lost over it. */
import test from 'ava';
import { type Child, startChild } from '../helpers/child.ts';
import { startFaultPair } from '../helpers/fault-pair.ts';
import { freePort } from '../helpers/targets.ts';
import { badOf, lasting, startVisitors } from '../helpers/visitor-load.ts';

const VISITORS = 6;
const OUTAGE_MS = 1000;

/** Nobody waits for a target: the next visit dials it. */
const GOAL_MS = 500;
const SLACK = 3;

/** An echo in a process of its own. */
async function startEcho(port: number): Promise<Child> {
  const script = `
    const { createServer } = require('node:net');
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket));
    server.listen(${port}, '127.0.0.1', () => console.log('listening'));`;
  const child = startChild(process.execPath, ['-e', script]);
  await child.printed(/listening/);
  return child;
}

for (const flow of ['reverse', 'forward'] as const) {
  test(`${flow}: the target is killed and comes back after ${OUTAGE_MS / 1000} s`, async (t) => {
    const target = await freePort();
    await using first = await startEcho(target);
    const { proxy, port, server, client } = await startFaultPair(t, { flow, target });
    await using load = startVisitors({ port, visitors: VISITORS, limitMs: 8000 });
    await load.answered(30);
    const { closed } = proxy;
    load.trouble = true;
    const { refused } = load.tally;
    first.kill('SIGKILL');
    await first.ended();
    await lasting(OUTAGE_MS);
    t.true(load.tally.refused > refused, 'visitors are turned away while it is down');
    await using second = await startEcho(target);
    const backAt = performance.now();
    const { endedAt } = await load.served();
    load.trouble = false;
    await load.answered(50);
    const tally = await load.stop();
    t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
    // The kernel ends the sockets of the killed target in order, and an end is passed on as one.
    t.true(tally.short <= VISITORS, `${tally.short} cut short`);
    t.is(proxy.closed - closed, 0, 'connections lost over it');
    t.notRegex(server.output + client.output, /"level":(50|60)/);
    const servedMs = Math.round(endedAt - backAt);
    t.true(servedMs <= GOAL_MS * SLACK, `${servedMs} ms`);
    t.log(`served again after ${servedMs} ms (goal ${GOAL_MS}); ${JSON.stringify(tally)}`);
    second.kill('SIGKILL');
  });
}
