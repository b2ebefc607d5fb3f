/** What the two commands hold while people mean no good: memory and descriptors before, at the most, and after. */
import { readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { encodeFrame } from '../../src/shared/wire/encode.ts';
import { FrameType } from '../../src/shared/wire/frame.ts';
import type { Child } from '../helpers/child.ts';
import { startCli, textFile } from '../helpers/cli.ts';
import { ports } from '../helpers/cli-pair.ts';
import { until } from '../helpers/events.ts';
import { dial } from '../helpers/middle-man.ts';
import { ask } from '../helpers/pair.ts';
import { echo, startTarget, type Target } from '../helpers/targets.ts';

/** Handshakes are not turned away for their number, so that they cost what they can. */
const OPEN_DOOR = ['--max-handshakes', '2000', '--max-handshakes-per-address', '2000'];

/** The most that any of this may cost a process, bytes. What it costs on an idle machine is a third of that, or less. */
const MOST_BYTES = 200e6;

interface Holding {
  readonly bytes: number;
  readonly descriptors: number;
}

function holdingOf(pid: number): Holding {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    bytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

interface Commands {
  readonly server: Child;
  readonly client: Child;
  /** Where visitors come in, and where the server listens for clients. */
  readonly port: number;
  readonly listen: number;
}

/** Both commands, with nothing between them; resolves when they are warm. */
async function startCommands(
  t: ExecutionContext,
  { target, idle = 8, server: more = [] }: { target: number; idle?: number; server?: readonly string[] },
): Promise<Commands> {
  const { listen, visitors: port } = await ports();
  const common = ['--tls', '1', '--token-file', await textFile(t, 'the token of the abused'), '--log-level', 'info'];
  const start = async (sign: RegExp, ...args: string[]): Promise<Child> => {
    const child = startCli([...args, ...common]);
    t.teardown(() => child[Symbol.asyncDispose]());
    await child.printed(sign);
    return child;
  };
  const at = `127.0.0.1:${listen}`;
  const server = await start(/"listening"/, 'server', '--listen', at, '--public', `127.0.0.1:${port}`, ...more);
  const client = await start(/"warm"/, 'client', '--server', at, '--target', `${target}`, '--min', `${idle}`);
  return { server, client, port, listen };
}

/** Does something to a pair, and prints and judges what it held before, at the most and after. */
async function abused(t: ExecutionContext, pair: Commands, abuse: () => Promise<() => void>): Promise<void> {
  const sides = { server: pair.server.process.pid ?? 0, client: pair.client.process.pid ?? 0 };
  const looks: Record<keyof typeof sides, Holding[]> = { server: [], client: [] };
  const names = ['server', 'client'] as const;
  const look = (): void => {
    for (const name of names) looks[name].push(holdingOf(sides[name]));
  };
  look();
  const timer = setInterval(look, 50);
  t.teardown(() => clearInterval(timer));
  const leave = await abuse();
  look();
  leave();
  // Idle connections more than before: the capacity follows the demand, and takes its time to fall.
  const few = 64;
  await until(
    () => names.every((name) => holdingOf(sides[name]).descriptors <= (looks[name][0]?.descriptors ?? 0) + few),
    'the descriptors are back',
    30_000,
  );
  t.is(await ask(connect({ port: pair.port, host: '127.0.0.1', allowHalfOpen: true }), 'served'), 'served');
  clearInterval(timer);
  for (const name of names) {
    const [before] = looks[name] as [Holding];
    const after = holdingOf(sides[name]);
    const most = (what: keyof Holding): number => Math.max(...looks[name].map((held) => held[what]));
    const megabytes = [before.bytes, most('bytes'), after.bytes].map((bytes) => (bytes / 1e6).toFixed(0));
    const descriptors = [before.descriptors, most('descriptors'), after.descriptors];
    t.log(`${name}: ${megabytes.join(' → ')} MB, ${descriptors.join(' → ')} descriptors`);
    t.true(most('bytes') - before.bytes < MOST_BYTES, `${name}: ${most('bytes') - before.bytes} bytes more`);
  }
}

/** Echoes, unless it hears its own name first. */
function startAbused(name: string, serve: (socket: Socket) => void): Promise<Target> {
  return startTarget((socket) => {
    socket.once('data', (first: Buffer) => {
      if (String(first).startsWith(name)) return serve(socket);
      socket.write(first);
      echo(socket);
      // Its end may have come with its first bytes.
      if (socket.readableEnded) socket.end();
    });
  });
}

const destroyAll = (sockets: readonly Socket[]) => (): void => {
  for (const socket of sockets) socket.destroy();
};

/** Time that has to pass by itself, ms. */
const pass = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

test('1,000 connects that say nothing', async (t) => {
  await using target = await startTarget(echo);
  const pair = await startCommands(t, { target: target.port, server: OPEN_DOOR });
  await abused(t, pair, async () => {
    const crowd = Array.from({ length: 1000 }, () => connect(pair.listen, '127.0.0.1').on('error', () => {}));
    await until(() => crowd.every(({ connecting }) => !connecting), 'all are connected');
    await until(() => holdingOf(pair.server.process.pid ?? 0).descriptors > 1000, 'all are accepted');
    return destroyAll(crowd);
  });
});

test('1,000 greetings of a byte at a time, 250 at once', async (t) => {
  await using target = await startTarget(echo);
  const pair = await startCommands(t, { target: target.port, server: OPEN_DOOR });
  const hello = encodeFrame(FrameType.hello, 0, Buffer.alloc(200, 'x'));
  await abused(t, pair, async () => {
    const crowd: Socket[] = [];
    for (let round = 0; round < 4; round += 1) {
      destroyAll(crowd.splice(0))();
      crowd.push(...(await Promise.all(Array.from({ length: 250 }, () => dial(pair.listen, true)))));
      for (let at = 0; at < 10; at += 1) {
        for (const socket of crowd) if (!socket.destroyed) socket.write(hello.subarray(at, at + 1));
        await pass(50);
      }
    }
    return destroyAll(crowd);
  });
});

test('a visitor who uploads as fast as he can to a target that reads a megabyte a second', async (t) => {
  const PER_SECOND = 1e6;
  let read = 0;
  await using target = await startAbused('upload', (socket) => {
    socket.on('data', ({ length }: Buffer) => {
      read += length;
      socket.pause();
      setTimeout(() => socket.resume(), (length / PER_SECOND) * 1000);
    });
  });
  const pair = await startCommands(t, { target: target.port });
  await abused(t, pair, async () => {
    const visitor = connect(pair.port, '127.0.0.1').on('error', () => {});
    visitor.write('upload');
    await once(visitor, 'connect');
    const piece = Buffer.alloc(1024 * 1024);
    let sent = 0;
    const send = (): void => {
      while (sent < 1024 && !visitor.destroyed && visitor.write(piece)) sent += 1;
      if (sent < 1024) visitor.once('drain', send);
    };
    send();
    const pid = pair.server.process.pid ?? 0;
    const held: number[] = [];
    for (let second = 0; second < 6; second += 1) {
      await pass(1000);
      held.push(holdingOf(pid).bytes);
    }
    t.log(
      `${sent} MiB sent, ${(read / 1e6).toFixed(1)} MB read; server: ${held.map((one) => (one / 1e6).toFixed(0)).join(', ')} MB each second`,
    );
    // Flat long before: what the last seconds add is noise.
    t.true((held[5] ?? Infinity) - (held[2] ?? 0) < 20e6, `${held.join()} bytes`);
    return destroyAll([visitor]);
  });
});

test('200 visitors that never read what a target pours out', async (t) => {
  const piece = Buffer.alloc(256 * 1024);
  await using target = await startAbused('download', (socket) => {
    const fill = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', fill);
    fill();
  });
  const pair = await startCommands(t, { target: target.port, idle: 200 });
  await abused(t, pair, async () => {
    const visitors = Array.from({ length: 200 }, () => {
      const socket = connect(pair.port, '127.0.0.1').on('error', () => {});
      socket.pause().write('download');
      return socket;
    });
    await until(() => target.accepted >= 200, 'all are at the target', 30_000);
    await pass(3000);
    return destroyAll(visitors);
  });
});
