import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ServerPool } from '../../src/server/server-pool.ts';
import { ServerVisit } from '../../src/server/server-visit.ts';
import { localOf, remoteOf } from '../../src/shared/net/address.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { StallWatch } from '../../src/shared/relay/stall-watch.ts';
import { until } from '../helpers/events.ts';

/** Both ends of a visitor's connection, TCP unless there is a `path`. */
async function visitorPair(path?: string): Promise<{ visitor: Socket; socket: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  const address = server.address() as AddressInfo | string;
  const visitor = typeof address === 'string' ? connect(address) : connect(address.port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  return { visitor, socket };
}

/** A visit that is to be refused, for a visitor who waits for what `openVisit` says. */
function waitingVisit(t: ExecutionContext, socket: Socket, openVisit: () => Promise<object>) {
  const rules = {
    pool: { tryOpenVisit: () => undefined, openVisit } as unknown as ServerPool,
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
  const visit = new ServerVisit(socket, { remote: remoteOf(socket), local: localOf(socket) }, rules, owner);
  visit.start();
  return { visit, refused };
}

test('a visitor who leaves in the moment of being granted a connection gives it back at once', async (t) => {
  const { visitor, socket } = await visitorPair();
  const resets: number[] = [];
  const { refused } = waitingVisit(t, socket, () => {
    socket.destroy();
    return Promise.resolve({ reset: (code: number) => void resets.push(code) });
  });
  await until(() => refused.length === 1, 'the visitor is refused');
  t.deepEqual(resets, [16]);
  visitor.destroy();
});

test('visitors on a unix socket, which knows no abort, are refused and broken off like others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'poold-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const one = await visitorPair(join(folder, 'one.sock'));
  const { refused } = waitingVisit(t, one.socket, () => Promise.reject(new Error('nothing is idle')));
  await once(one.visitor.resume(), 'close');
  t.deepEqual(refused, [new Error('nothing is idle')]);
  const two = await visitorPair(join(folder, 'two.sock'));
  waitingVisit(t, two.socket, () => new Promise(() => {})).visit.abort();
  await once(two.visitor.resume(), 'close');
});
