import test from 'ava';
import { until } from '../helpers/events.ts';
import { ask, startPair } from '../helpers/pair.ts';
import { startClient, startPublishing, visit } from '../helpers/publishing.ts';
import { echo, freePort, startSilentTarget, startTarget } from '../helpers/targets.ts';

/** Handles that only poold could have left: sockets, servers, timers that keep the process alive. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Pipe|Timeout/.test(name));
}

for (const tls of [0, 1, 2] as const) {
  test.serial(`TLS mode ${tls}: nothing is left after close`, async (t) => {
    const before = handles().length;
    {
      await using target = await startTarget(echo);
      await using pair = await startPair({ tls, target: target.port });
      await Promise.all(Array.from({ length: 20 }, (_, index) => ask(pair.visit(), `visit ${index}`)));
      const visitor = pair.visit();
      visitor.write('abandoned');
      visitor.on('error', () => {});
    }
    await until(() => handles().length <= before, `no more than ${before} handles are left, not ${handles().join()}`);
    t.pass();
  });
}

for (const end of ['close', 'servers.destroy'] as const) {
  test.serial(`${end}: checks of targets and connections kept ready end with their tunnel`, async (t) => {
    const before = handles().length;
    {
      await using web = await startTarget((socket) => {
        socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\n')).on('end', () => socket.end());
      });
      await using silent = await startSilentTarget();
      const targetsAlone = handles().length;
      const target = [`127.0.0.1:${web.port}`, `127.0.0.1:${silent.port}`];
      const targets = { check: { http: '/' }, warm: 4, checkTimeoutMs: 600_000 };
      await using pair = await startPair({ target: 1, tunnelClient: { target, targets, connectTimeoutMs: 600_000 } });
      // Four are ready and one check is under way at the first; dials and a check at the other.
      await until(() => web.accepted === 5 && pair.client.targetStats()[0]?.warm === 4, 'all is under way');
      t.true(handles().length >= targetsAlone + 5 + 5);
      if (end === 'close') await pair.client.close({ graceMs: 0 });
      else pair.client.servers.destroy();
      t.deepEqual(
        pair.client.targetStats().map(({ warm }) => warm),
        [0, 0],
      );
      await pair.server.close({ graceMs: 0 });
      await until(() => handles().length <= targetsAlone, `only the targets are left, not ${handles().join()}`);
    }
    await until(() => handles().length <= before, `no more than ${before} handles are left, not ${handles().join()}`);
  });
}

test.serial('ports that clients have opened end with their clients, and with the server', async (t) => {
  const before = handles().length;
  {
    await using target = await startTarget(echo);
    await using server = await startPublishing({ lingerMs: 0 });
    const alone = handles().length;
    const port = await freePort();
    for (const tunnel of ['first', 'second']) {
      const client = await startClient(server.client(port, target.port, { tunnel }));
      t.is(await ask(visit(port), tunnel), tunnel);
      await client.close({ graceMs: 0 });
      await until(() => handles().length <= alone, `nothing of it is left, not ${handles().join()}`);
    }
    await startClient(server.client(port, target.port));
  }
  await until(() => handles().length <= before, `no more than ${before} handles are left, not ${handles().join()}`);
});
