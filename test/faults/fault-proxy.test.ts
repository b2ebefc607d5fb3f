/** The proxy that the scenarios stand on: each fault does what its name says, and nothing else. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { until } from '../helpers/events.ts';
import { type FaultProxy, startFaultProxy } from '../helpers/fault-proxy.ts';
import { ask } from '../helpers/pair.ts';
import { echo, freePort, startTarget, type Target } from '../helpers/targets.ts';

async function startProxy(t: ExecutionContext, serve: (socket: Socket) => void = echo) {
  const target: Target = await startTarget(serve);
  const proxy: FaultProxy = await startFaultProxy(target.port);
  t.teardown(async () => {
    await proxy[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });
  const dial = (): Socket => connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  return { target, proxy, dial };
}

/** Sends a message over an open connection, and resolves with the answer's first chunk. */
async function say(socket: Socket, message: string): Promise<string> {
  socket.write(message);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return String(answer);
}

/** What has come from a socket so far. */
function heard(socket: Socket): { text: string; ended: boolean; error: string | undefined } {
  const all = { text: '', ended: false, error: undefined as string | undefined };
  socket.on('data', (data: Buffer) => (all.text += String(data)));
  socket.on('end', () => (all.ended = true));
  socket.on('error', (error: NodeJS.ErrnoException) => (all.error = error.code));
  return all;
}

test('without a fault everything passes, both ends too, and large transfers whole', async (t) => {
  const { proxy, dial } = await startProxy(t);
  t.is(await ask(dial(), 'hello'), 'hello');
  const large = 'x'.repeat(3_000_000);
  t.is((await ask(dial(), large)).length, large.length);
  await until(() => proxy.connections === 0, 'both connections are over');
});

test('delay: each way takes its time, and nothing overtakes', async (t) => {
  const { proxy, dial } = await startProxy(t);
  const socket = dial();
  await once(socket, 'connect');
  proxy.up.delayMs = 60;
  proxy.down.delayMs = 40;
  proxy.down.jitterMs = 30;
  const startedAt = performance.now();
  t.is(await say(socket, 'a'), 'a');
  t.true(performance.now() - startedAt >= 99);
  const numbers = Array.from({ length: 50 }, (_, n) => `${n} `);
  const all = heard(socket);
  for (const number of numbers) {
    socket.write(number);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await once(socket, 'end');
  t.is(all.text, numbers.join(''));
});

test('throttle: so many bytes a second, and no more', async (t) => {
  const { proxy, dial } = await startProxy(t);
  proxy.up.bytesPerSecond = 100_000;
  const startedAt = performance.now();
  t.is((await ask(dial(), 'x'.repeat(50_000))).length, 50_000);
  t.true(performance.now() - startedAt >= 490);
});

test('lost: bytes are swallowed, nobody is told, and the connection stays dead when the path is back', async (t) => {
  const { proxy, dial, target } = await startProxy(t);
  const socket = dial();
  t.is(await say(socket, 'before'), 'before');
  const all = heard(socket);
  proxy.up.lost = true;
  proxy.down.lost = true;
  socket.write('into the void');
  const late = dial();
  await once(late, 'connect');
  const lateHeard = heard(late);
  late.write('anybody there?');
  await until(() => proxy.swallowed === 'into the void'.length + 'anybody there?'.length, 'both are swallowed');
  proxy.up.lost = false;
  proxy.down.lost = false;
  socket.write('still there?');
  t.is(await ask(dial(), 'after'), 'after');
  const nothing = { text: '', ended: false, error: undefined };
  t.deepEqual([all, lateHeard], [nothing, nothing]);
  t.is(target.accepted, 2);
  socket.destroy();
  late.destroy();
});

for (const way of ['up', 'down'] as const) {
  test(`half-open: with ${way} lost, only the other way goes on`, async (t) => {
    const arrived: string[] = [];
    const { proxy, dial } = await startProxy(t, (socket) => {
      const tick = setInterval(() => socket.write('.'), 5);
      socket.on('data', (data: Buffer) => arrived.push(String(data))).on('close', () => clearInterval(tick));
    });
    const socket = dial();
    const all = heard(socket);
    await until(() => all.text.length > 2, 'the target is heard');
    proxy[way].lost = true;
    socket.write('up there');
    if (way === 'up') {
      const before = all.text.length;
      await until(() => all.text.length > before + 5, 'the target is still heard');
      t.deepEqual(arrived, []);
    } else {
      await until(() => arrived.join('') === 'up there', 'the target still hears');
      await until(() => proxy.swallowed > 5, 'the target’s bytes are swallowed');
      const then = all.text.length;
      await until(() => proxy.swallowed > 20, 'and more of them');
      t.is(all.text.length, then);
    }
    socket.destroy();
  });
}

test('cut: both ends see an end; reset: both see an abort', async (t) => {
  const seen: string[] = [];
  const { proxy, dial } = await startProxy(t, (socket) => {
    socket.pipe(socket);
    socket.on('end', () => seen.push('end')).on('error', (error: NodeJS.ErrnoException) => seen.push(`${error.code}`));
  });
  const first = dial();
  await say(first, 'hello');
  const firstHeard = heard(first);
  proxy.cut();
  await until(() => firstHeard.ended && seen.length === 1, 'both ends of the first have seen it');
  first.destroy();
  const second = dial();
  await say(second, 'hello');
  const secondHeard = heard(second);
  proxy.reset();
  await until(() => secondHeard.error !== undefined && seen.length === 2, 'both ends of the second have seen it');
  t.deepEqual([seen, secondHeard.error], [['end', 'ECONNRESET'], 'ECONNRESET']);
  await until(() => proxy.connections === 0, 'nothing is left');
});

test('corrupt: one bit of one chunk, in the way that was asked for', async (t) => {
  const { proxy, dial } = await startProxy(t);
  const socket = dial();
  await say(socket, 'hello');
  const flipped = proxy.corrupt('down');
  t.is(await say(socket, 'abc'), 'abb');
  await flipped;
  t.is(await say(socket, 'abc'), 'abc');
  socket.destroy();
});

test('a target that is down resets who connects; an abort passes through', async (t) => {
  await using proxy = await startFaultProxy(await freePort());
  const socket = connect({ port: proxy.port, host: '127.0.0.1' });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  const { dial } = await startProxy(t, (victim) => void victim.on('data', () => victim.resetAndDestroy()));
  const aborted = heard(
    dial().on('connect', function greet(this: Socket) {
      this.write('go');
    }),
  );
  await until(() => aborted.error === 'ECONNRESET', 'the abort has arrived');
});
