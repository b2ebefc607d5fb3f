import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { PassListener, passVisitor } from '../../src/server/visitor-pass.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { StallWatch } from '../../src/shared/relay/stall-watch.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { ask, startPair } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const SECRET = Buffer.alloc(16, 'secret');
const stallWatch = new StallWatch(systemClock, 0);

/** A pair whose visitors all go through a second process's way in before they are served. */
async function startPassing(t: ExecutionContext, serve: (socket: Socket) => void) {
  const target = await startTarget(serve);
  const ends: string[] = [];
  const remotes: string[] = [];
  let port = 0;
  const pair = await startPair({ target: target.port, client: { minCapacity: 1 } });
  // Another process of the same server, without connections of its own.
  const empty = await startPair({
    target: target.port,
    client: { minCapacity: 1 },
    tunnelServer: {
      passOn: (socket, visitor) => {
        const onEnd = (end: string): void => void ends.push(end);
        const onFailed = (): void => empty.server.welcome(socket, visitor);
        passVisitor({ socket, visitor, port, secret: SECRET, stallWatch, onFailed, onEnd });
        return true;
      },
    },
  });
  const listener = new PassListener(SECRET, systemClock, (socket, visitor) => {
    remotes.push(visitor.remote);
    pair.server.welcome(socket, visitor);
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
  await until(() => ends.length === 2, 'both passes end').catch(() => t.log(ends));
  t.deepEqual(ends, ['broken', 'reset']);
});

test('a visitor stays where it is when the other process is gone', async (t) => {
  const { visit, setPort, lease } = await startPassing(t, echo);
  setPort(await freePort());
  const visitor = visit();
  const answer = ask(visitor, 'here');
  lease?.release();
  t.is(await answer, 'here');
});

test('a stranger who does not know the secret is no visitor, and one who says nothing is given up', async (t) => {
  const { port, remotes } = await startPassing(t, echo);
  const stranger = connect({ port, host: '127.0.0.1' });
  stranger.write(Buffer.alloc(18, 1));
  await once(stranger, 'close');
  const time = manualClock();
  const listener = new PassListener(SECRET, time.clock, () => t.fail('a visitor'));
  const silent = connect({ port: await listener.start(), host: '127.0.0.1' });
  await until(() => time.timers === 1, 'the connection is accepted');
  await time.advance(2000);
  await once(silent, 'close');
  listener.close();
  t.deepEqual(remotes, []);
});
