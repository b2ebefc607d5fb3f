import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'ava';
import type { ServerPool } from '../../src/server/server-pool.ts';
import { ServerVisit } from '../../src/server/server-visit.ts';
import { localOf, remoteOf } from '../../src/shared/net/address.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { StallWatch } from '../../src/shared/relay/stall-watch.ts';
import { until } from '../helpers/events.ts';

test('a visitor who leaves in the moment of being granted a connection gives it back at once', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const visitor = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  const resets: number[] = [];
  const pool = {
    tryOpenVisit: () => undefined,
    openVisit: () => {
      socket.destroy();
      return Promise.resolve({ reset: (code: number) => void resets.push(code) });
    },
  };
  const rules = {
    pool: pool as unknown as ServerPool,
    waitMs: 1000,
    openTimeoutMs: 1000,
    stallWatch: new StallWatch(systemClock, 0),
    clock: systemClock,
  };
  const refused: unknown[] = [];
  const owner = {
    onOpened: () => t.fail('opened'),
    onEnd: () => t.fail('ended'),
    onRefused: (_visit: ServerVisit, _waitedMs: number, error: unknown) => void refused.push(error),
  };
  new ServerVisit(socket, { remote: remoteOf(socket), local: localOf(socket) }, rules, owner).start();
  await until(() => refused.length === 1, 'the visitor is refused');
  t.deepEqual(resets, [16]);
  visitor.destroy();
  server.close();
});
