import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Clock } from '../../../src/shared/clock.ts';
import type { Address } from '../../../src/shared/net/address.ts';
import { type WarmRules, WarmSockets } from '../../../src/shared/tunnel/warm-sockets.ts';
import { manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';
import { ask, readAll } from '../../helpers/pair.ts';
import { freePort, startSilentTarget, startTarget, type Target } from '../../helpers/targets.ts';

/** Connections kept ready for a target; dials may take 5 s, and lives are 30 s unless `random` says otherwise. */
function keepWarm(t: ExecutionContext, to: number | Address, rules: Partial<WarmRules> = {}) {
  const time = manualClock();
  const heard: string[] = [];
  const address = typeof to === 'number' ? { host: '127.0.0.1', port: to } : to;
  const all = { count: 3, idleMs: 30_000, connectTimeoutMs: 5000, clock: time.clock, random: () => 0, ...rules };
  const warm = new WarmSockets(address, all, {
    reached: () => void heard.push('reached'),
    unreached: (error) => void heard.push(error.message),
  });
  t.teardown(() => warm.stop());
  warm.start();
  return { warm, time, heard, ready: (count: number) => until(() => warm.ready === count, `${count} are ready`) };
}

/** A target that keeps what it accepts. */
async function startHolder(): Promise<Target & { readonly sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const target = await startTarget((socket) => sockets.push(socket.resume()));
  return Object.defineProperty(target as Target & { sockets: Socket[] }, 'sockets', { value: sockets });
}

test('so many are ready, and each that is taken is replaced', async (t) => {
  await using target = await startTarget((socket) => socket.pipe(socket));
  const { warm, heard, ready } = keepWarm(t, target.port);
  await ready(3);
  for (let visit = 0; visit < 5; visit += 1) {
    const taken = warm.take();
    t.true(taken?.connection.connected);
    const socket = taken?.connection.socket as Socket;
    const heard = once(socket, 'data');
    socket.write(`visit ${visit}`);
    t.is(String((await heard)[0]), `visit ${visit}`);
    socket.destroy();
    await ready(3);
  }
  t.is(target.accepted, 8);
  t.deepEqual(
    heard,
    Array.from({ length: 8 }, () => 'reached'),
  );
});

test('when none is ready there is none to take', async (t) => {
  await using target = await startHolder();
  const { warm, ready } = keepWarm(t, target.port, { count: 1 });
  t.is(warm.take(), undefined);
  await ready(1);
  warm.take()?.connection.socket.destroy();
  t.is(warm.take(), undefined);
});

test('few are dialled at once', async (t) => {
  await using silent = await startSilentTarget();
  const { time, heard } = keepWarm(t, silent.port, { count: 100 });
  // Each dial has its own limit.
  t.is(time.timers, 4);
  await time.advance(5000);
  await until(() => heard.length === 4, 'all have failed');
  t.regex(heard[0] ?? '', /did not answer within 5000 ms/);
  // The pause before the next ones.
  t.is(time.timers, 1);
});

/** A target on a port of its own that may be gone. */
async function startAt(port: number): Promise<{ accepted: Socket[]; stop(): void }> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.resume().on('error', () => {}))).listen(
    port,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const stop = (): void => {
    server.close();
    for (const socket of accepted) socket.destroy();
  };
  return { accepted, stop };
}

test('a target that refuses is dialled again after pauses that grow, until one has lived or was taken', async (t) => {
  const port = await freePort();
  let now = 0;
  const pauses: number[] = [];
  // Pauses are over at once; the limits of dials and the lives of connections never are.
  const hasty: Clock = {
    now: () => now,
    wallNow: () => now,
    setTimeout: (callback, delayMs) => {
      if (delayMs === 5000 || delayMs > 29_970) return {};
      pauses.push(delayMs);
      return setImmediate(callback);
    },
    clearTimeout: (timer) => clearImmediate(timer as NodeJS.Immediate),
  };
  const { warm, heard, ready } = keepWarm(t, port, { count: 1, clock: hasty, random: () => 0.999, idleMs: 100_000 });
  await until(() => pauses.length >= 10, 'many dials have failed');
  t.deepEqual(pauses.slice(0, 10), [99, 199, 399, 799, 1598, 3196, 6393, 12_787, 25_574, 29_970]);
  t.regex(heard[0] ?? '', /ECONNREFUSED/);
  const ends: readonly ((accepted: Socket[]) => Promise<unknown>)[] = [
    async () => warm.take()?.connection.socket.destroy(),
    async (accepted) => {
      now += 1000;
      accepted[0]?.end();
    },
  ];
  for (const end of ends) {
    const target = await startAt(port);
    await ready(1);
    await until(() => target.accepted.length === 1, 'it is accepted');
    t.is(heard.at(-1), 'reached');
    await end(target.accepted);
    await until(() => target.accepted.length === 2 && warm.ready === 1, 'the next one is ready');
    pauses.length = 0;
    target.stop();
    await until(() => pauses.length >= 3, 'dials fail again');
    t.deepEqual(pauses.slice(0, 3), [99, 199, 399]);
  }
});

test('what a target says first is kept for the visit that takes it', async (t) => {
  await using target = await startTarget((socket) => socket.write('220 ready\r\n'));
  const { warm, ready } = keepWarm(t, target.port, { count: 1 });
  await ready(1);
  // Nothing says when a byte has arrived that is only kept.
  let taken = warm.take();
  while (taken !== undefined && taken.banner.length === 0) {
    taken.connection.socket.destroy();
    await ready(1);
    await new Promise((resolve) => setImmediate(resolve));
    taken = warm.take();
  }
  t.is(String(Buffer.concat(taken?.banner ?? [])), '220 ready\r\n');
  const { socket } = taken?.connection ?? {};
  t.is(socket?.listenerCount('data'), 0);
  socket?.destroy();
});

test('a target that says much is read no further than a little, and to its end once it is taken', async (t) => {
  let said = false;
  await using target = await startTarget((socket) => {
    // As much as waits in the system's buffers.
    socket.end(Buffer.alloc(1024 * 1024), () => (said = true));
  });
  const { warm, ready } = keepWarm(t, target.port, { count: 1 });
  await ready(1);
  await until(() => said, 'all is said');
  // Each turn would read another 64 KiB.
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  const taken = warm.take();
  const banner = Buffer.concat(taken?.banner ?? []);
  t.true(banner.length > 0 && banner.length <= 128 * 1024, `${banner.length} bytes`);
  const socket = taken?.connection.socket as Socket;
  t.is(banner.length + (await readAll(socket)).length, 1024 * 1024);
  socket.destroy();
});

for (const end of ['ends', 'breaks'] as const) {
  test(`one that the target ${end} is replaced, and never taken`, async (t) => {
    await using target = await startHolder();
    const { warm, time, ready } = keepWarm(t, target.port);
    await ready(3);
    await time.advance(1000);
    const [, second] = target.sockets;
    if (end === 'ends') second?.end();
    else second?.resetAndDestroy();
    await until(() => target.accepted === 4, 'another one is dialled');
    await ready(3);
    for (let visit = 0; visit < 3; visit += 1) {
      const { connection } = warm.take() ?? {};
      t.true(connection?.socket.writable);
      t.not(connection?.socket.localPort, second?.remotePort);
      connection?.socket.destroy();
    }
  });
}

test('a target that closes each at once is not dialled in a loop', async (t) => {
  await using target = await startTarget((socket) => socket.end());
  const { warm, time } = keepWarm(t, target.port, { count: 2, random: () => 0.999 });
  await until(
    () => target.accepted === 2 && warm.ready === 0 && time.timers === 1,
    'both are lost, and the pause is on',
  );
  await time.advance(10);
  t.is(target.accepted, 2);
  await time.advance(90);
  await until(() => target.accepted === 4, 'the next two are dialled');
});

test('one that was not used for long is replaced', async (t) => {
  await using target = await startHolder();
  const { warm, time, ready } = keepWarm(t, target.port);
  await ready(3);
  await until(() => target.accepted === 3, 'all are accepted');
  await time.advance(29_999);
  t.deepEqual([warm.ready, target.accepted], [3, 3]);
  await time.advance(1);
  await until(() => target.accepted === 6, 'three more are dialled');
  await ready(3);
  await until(() => target.sockets.slice(0, 3).every((socket) => socket.readableEnded), 'the old ones are closed');
  t.true(target.sockets.slice(3).every((socket) => !socket.readableEnded));
});

test('a unix socket can be kept ready', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'target');
  const target = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(path);
  await once(target, 'listening');
  const { warm, ready } = keepWarm(t, { path });
  await ready(3);
  const { socket } = warm.take()?.connection ?? {};
  t.is(await ask(socket as Socket, 'hello'), 'hello');
  await ready(3);
  warm.stop();
  target.close();
});

test('the end closes what is ready and what is under way, and leaves no timer', async (t) => {
  await using target = await startHolder();
  const { warm, time, ready } = keepWarm(t, target.port);
  await ready(3);
  const used = warm.take();
  await until(() => target.accepted === 4 && warm.ready === 3, 'the fourth is there');
  warm.take()?.connection.socket.destroy();
  warm.stop();
  t.is(warm.ready, 0);
  await until(() => time.timers === 0, 'no timer is left');
  await until(() => target.sockets.filter((socket) => !socket.readableEnded).length === 1, 'all are closed but one');
  t.false(used?.connection.socket.destroyed);
  used?.connection.socket.destroy();
  await using silent = await startSilentTarget();
  const dialling = keepWarm(t, silent.port);
  dialling.warm.stop();
  await until(() => dialling.time.timers === 0, 'no timer is left');
  t.deepEqual(dialling.heard, []);
  const resting = keepWarm(t, await freePort());
  await until(() => resting.heard.length === 3 && resting.time.timers === 1, 'the pause is on');
  resting.warm.stop();
  t.is(resting.time.timers, 0);
});
