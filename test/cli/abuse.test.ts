/** The server command among people who mean no good. */
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { startCli, textFile } from '../helpers/cli.ts';
import { ports, serverArgs } from '../helpers/cli-pair.ts';
import { until } from '../helpers/events.ts';

const SECRET = 'a secret of the abused server';
const CROWD = 1000;
const DEADLINE_S = 5;

test(`case 1: ${CROWD} connects that say nothing do not keep the client out, and are closed at the deadline`, async (t) => {
  const at = await ports();
  await using server = startCli(
    serverArgs(at, await textFile(t, SECRET), '--handshake-timeout', `${DEADLINE_S}s`, '--log-level', 'error'),
  );
  const reach = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(at.listen, '127.0.0.1', () => void socket.destroy()).on('error', () => {});
      socket.on('close', (failed) => (failed ? void reach().then(resolve) : resolve()));
    });
  await reach();
  let closed = 0;
  const began = performance.now();
  const crowd: Socket[] = Array.from({ length: CROWD }, () =>
    connect(at.listen, '127.0.0.1')
      .on('error', () => {})
      .on('close', () => (closed += 1))
      .resume(),
  );
  await until(() => crowd.every(({ connecting }) => !connecting), 'all are connected');
  await using client = new ClientPool({ dial: `127.0.0.1:${at.listen}`, token: SECRET, minCapacity: 1 });
  const dialled = performance.now();
  await client.start();
  await client.warmed(1);
  const ready = performance.now();
  t.log(`in after ${Math.round(ready - dialled)} ms, ${CROWD - closed} of the crowd still there`);
  t.true(closed < CROWD, 'the crowd is still there');
  // A second on an idle machine, the derivation of its keys included; here it has as long as the crowd may stay.
  t.true(ready - dialled < DEADLINE_S * 1000, `${ready - dialled} ms`);
  await until(() => closed === CROWD, 'the crowd is closed', 30_000);
  const seconds = (performance.now() - began) / 1000;
  t.log(`all closed after ${seconds.toFixed(1)} s`);
  t.true(seconds < DEADLINE_S + 10);
  t.true(client.idle >= 1);
  t.is(server.process.exitCode, null, server.output);
});
