import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { PassListener, passVisitor } from '../../src/server/visitor-pass.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { StallWatch } from '../../src/shared/relay/stall-watch.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { ask, startPair } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const SECRET = Buffer.alloc(16, 'secret');
const rules = { secret: SECRET, stallWatch: new StallWatch(systemClock, 0), clock: systemClock };

/** A pair whose visitors all go through a second process's way in before they are served. */
async function startPassing(t: ExecutionContext, serve: (socket: Socket) => void) {
  const target = await startTarget(serve);
  const ends: string[] = [];
  const remotes: string[] = [];
  let port = 0;
  const pair = await startPair({ target: target.port, client: { minCapacity: 1 } });
  // Another process of the same server, without connections of its own: its client makes no second one.
  const empty = await startPair({
    target: target.port,
    client: { minCapacity: 1, maxCapacity: 1 },
    tunnelServer: {
      passOn: (socket, visitor) => {
        const onEnd = (end: string): void => void ends.push(end);
        const onFailed = (): void => empty.server.welcome(socket, visitor);
        passVisitor({ ...rules, socket, visitor: { tunnel: 'web', ...visitor }, port, onFailed, onEnd });
        return true;
      },
    },
  });
  const listener = new PassListener(SECRET, systemClock, (socket, visitor) => {
    remotes.push(visitor.remote);
    pair.server.welcome(socket, visitor);
    return true;
  });
  port = await listener.start();
  // Its only connection is taken, so it has none idle.
  const lease = empty.server.pool.tryAcquire();
  t.teardown(async () => {
    listener.close();
    if (lease?.held === true) lease.release();
    await empty[Symbol.asyncDispose]();
    await pair[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });
  return { visit: () => empty.visit(), ends, remotes, lease, listener, port, setPort: (to: number) => (port = to) };
}

test('a visitor is carried by the other process, half-close and origin included', async (t) => {
  const { visit, ends, remotes } = await startPassing(t, echo);
  const visitor = visit();
  await once(visitor, 'connect');
  const { localPort } = visitor;
  t.is(await ask(visitor, 'hello '.repeat(50_000)), 'hello '.repeat(50_000));
  await until(() => ends.length === 1, 'the pass ends');
  t.deepEqual(ends, ['done']);
  t.deepEqual(remotes, [`127.0.0.1:${localPort}`]);
});

test('an abort of the visitor reaches the target, and one of the target the visitor', async (t) => {
  const errors: (string | undefined)[] = [];
  const { visit, ends } = await startPassing(t, (socket) => {
    socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code));
    socket.on('data', (data) => (String(data) === 'reset me' ? socket.resetAndDestroy() : socket.write(data)));
  });
  const leaving = visit();
  leaving.write('hello');
  await once(leaving, 'data');
  leaving.resetAndDestroy();
  await until(() => errors.length === 1, 'the target hears of it');
  t.deepEqual(errors, ['ECONNRESET']);
  const visitor = visit();
  visitor.write('reset me');
  const [error] = (await once(visitor, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  await until(() => ends.length === 2, 'both passes end');
  t.deepEqual(ends, ['broken', 'reset']);
});

test('a visitor who leaves on the way to the other process is over', async (t) => {
  const { port } = await startPassing(t, echo);
  const listener = createServer().listen(0, '127.0.0.1');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  await once(listener, 'listening');
  const leaving = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1' });
  const [socket] = await accepted;
  const end = new Promise((onEnd) => {
    const visitor = { tunnel: 'web', remote: '127.0.0.1:1', local: '127.0.0.1:2' };
    passVisitor({ ...rules, socket, visitor, port, onFailed: () => t.fail('failed'), onEnd });
    socket.destroy();
  });
  t.is(await end, 'broken');
  leaving.destroy();
  listener.close();
});

test('a visitor stays where it is when the other process is gone', async (t) => {
  const { visit, setPort, lease } = await startPassing(t, echo);
  setPort(await freePort());
  const visitor = visit();
  const answer = ask(visitor, 'here');
  lease?.release();
  t.is(await answer, 'here');
});

test('a visitor stays where it is when the other process does not take it, or does not answer', async (t) => {
  const { visit, setPort, lease } = await startPassing(t, echo);
  const refusing = new PassListener(SECRET, systemClock, () => false);
  setPort(await refusing.start());
  const first = ask(visit(), 'one');
  await using silent = await startTarget((socket) => socket.resume());
  setPort(silent.port);
  const second = ask(visit(), 'two');
  lease?.release();
  t.deepEqual([await first, await second], ['one', 'two']);
  refusing.close();
});

test('a stranger who does not know the secret is no visitor, and one who says nothing is given up', async (t) => {
  const { port, remotes } = await startPassing(t, echo);
  const stranger = connect({ port, host: '127.0.0.1' });
  stranger.write(Buffer.alloc(18, 1));
  await once(stranger, 'close');
  const time = manualClock();
  const listener = new PassListener(SECRET, time.clock, () => {
    t.fail('a visitor');
    return false;
  });
  const silent = connect({ port: await listener.start(), host: '127.0.0.1' });
  await until(() => time.timers === 1, 'the connection is accepted');
  await time.advance(2000);
  await once(silent, 'close');
  listener.close();
  t.deepEqual(remotes, []);
});
