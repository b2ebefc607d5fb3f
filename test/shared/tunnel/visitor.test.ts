import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { VisitSource } from '../../../src/shared/tunnel/visit-pool.ts';
import { Visitor } from '../../../src/shared/tunnel/visitor.ts';
import { VisitResetError } from '../../../src/shared/errors.ts';
import { localOf, remoteOf } from '../../../src/shared/net/address.ts';
import type { RelayHandler } from '../../../src/shared/relay/relay.ts';
import { StallWatch } from '../../../src/shared/relay/stall-watch.ts';
import { ResetCode } from '../../../src/shared/wire/frame.ts';
import { manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';

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

/** A visitor who waits for what `openVisit` says; `heard` is what its tunnel hears of it. */
function waitingVisit(socket: Socket, openVisit: () => Promise<object>) {
  const { clock } = manualClock();
  const rules = {
    source: {
      tryOpenVisit: () => undefined,
      openElsewhere: () => Promise.resolve({}),
      openVisit,
    } as unknown as VisitSource,
    waitMs: 1000,
    openTimeoutMs: 1000,
    stallWatch: new StallWatch(clock, 0),
    bandwidth: undefined,
    clock,
  };
  const heard: string[] = [];
  const visit = new Visitor(socket, { remote: remoteOf(socket), local: localOf(socket) }, rules, {
    onOpened: () => heard.push('opened'),
    onEnd: (_visit, end) => heard.push(`ended: ${end}`),
    onRefused: (_visit, _waitedMs, error) => heard.push(`refused: ${(error as Error).message}`),
  });
  visit.start();
  return { visit, heard };
}

test('a visitor who leaves in the moment of being granted a connection gives it back at once', async (t) => {
  const { visitor, socket } = await visitorPair();
  const resets: number[] = [];
  const { heard } = waitingVisit(socket, () => {
    socket.destroy();
    return Promise.resolve({ reset: (code: number) => void resets.push(code) });
  });
  await until(() => heard.length > 0, 'the visitor is refused');
  t.deepEqual(heard, ['refused: the visitor left']);
  t.deepEqual(resets, [16]);
  visitor.destroy();
});

test('visitors on a unix socket, which knows no abort, are refused and broken off like others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'poold-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const one = await visitorPair(join(folder, 'one.sock'));
  const { heard } = waitingVisit(one.socket, () => Promise.reject(new Error('nothing is idle')));
  await once(one.visitor.resume(), 'close');
  t.deepEqual(heard, ['refused: nothing is idle']);
  const two = await visitorPair(join(folder, 'two.sock'));
  waitingVisit(two.socket, () => new Promise(() => {})).visit.abort('closing');
  await once(two.visitor.resume(), 'close');
});

test('a visitor who has ended by the time of being granted a connection ends the visit', async (t) => {
  const { visitor, socket } = await visitorPair();
  let ended = false;
  const visit = { handler: undefined as RelayHandler | undefined, end: () => (ended = true) };
  visitor.end();
  const { heard } = waitingVisit(socket, () => once(socket, 'end').then(() => visit));
  await until(() => ended, 'the visit has ended');
  visit.handler?.onEnd();
  visitor.resume();
  await until(() => heard.length > 1, 'the visit is over');
  t.deepEqual(heard, ['opened', 'ended: done']);
});

test('a visitor who has reached a target is not moved, whatever the other side says later', async (t) => {
  const { visitor, socket } = await visitorPair();
  visitor.on('error', () => {});
  const visit = {
    handler: undefined as RelayHandler | undefined,
    client: 'one',
    reset: () => {},
    takeBack: () => ({ chunks: [] }),
  };
  const { heard } = waitingVisit(socket, () => Promise.resolve(visit));
  await until(() => visit.handler !== undefined, 'the visit is on');
  visit.handler?.onOpened();
  visit.handler?.onReset(new VisitResetError(ResetCode.targetRefused, 'refused after all'));
  await until(() => heard.length > 1, 'the visit is over');
  t.deepEqual(heard, ['opened', 'ended: reset']);
  visitor.destroy();
});
