import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import type { VisitClosedEvent, VisitRefusedEvent } from '../../src/shared/tunnel/visit-events.ts';
import type { TlsMode } from '../../src/shared/tls/modes.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, readAll, startPair, TOKEN } from '../helpers/pair.ts';
import { connectAndReset, echo, freePort, startSilentTarget, startTarget } from '../helpers/targets.ts';

const inEveryMode = (title: string, run: (t: ExecutionContext, tls: TlsMode) => Promise<void>): void => {
  const macro = test.macro({ exec: run, title: (_, tls: TlsMode) => `${title} (TLS mode ${tls})` });
  for (const tls of [0, 1, 2] as const) test(macro, tls);
};

inEveryMode('a visitor talks to the target, and its connection serves the next visitor', async (t, tls) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ tls, target: target.port, client: { minCapacity: 1, maxCapacity: 1 } });
  for (const message of ['one', 'two', 'three']) t.is(await ask(pair.visit(), message), message);
  t.is(target.accepted, 3);
  t.is(pair.server.pool.stats().created, 1);
});

inEveryMode('case 17: a target that answers only after the visitor has ended is heard to its end', async (t, tls) => {
  await using target = await startTarget((socket) => {
    void readAll(socket).then((heard) => socket.end(`late reply to ${heard}`));
  });
  await using pair = await startPair({ tls, target: target.port });
  t.is(await ask(pair.visit(), 'a question'), 'late reply to a question');
});

inEveryMode('case 17: a visitor goes on after the target has ended', async (t, tls) => {
  const heard = deferred<string>();
  await using target = await startTarget((socket) => {
    socket.end('all I have');
    void readAll(socket).then(heard.resolve);
  });
  await using pair = await startPair({ tls, target: target.port });
  const visitor = pair.visit();
  t.is(await readAll(visitor), 'all I have');
  visitor.end('and I still talk');
  t.is(await heard.promise, 'and I still talk');
});

inEveryMode('case 17: a target that speaks first is heard at once', async (t, tls) => {
  await using target = await startTarget((socket) => socket.write('220 ready\r\n'));
  await using pair = await startPair({ tls, target: target.port });
  const visitor = pair.visit();
  const [greeting] = (await once(visitor, 'data')) as [Buffer];
  t.is(String(greeting), '220 ready\r\n');
  visitor.destroy();
});

inEveryMode(
  'case 17: a visitor who breaks off breaks the target off, and the connection stays usable',
  async (t, tls) => {
    const broken = deferred<Error>();
    await using target = await startTarget((socket) => {
      socket.on('error', broken.resolve);
      socket.pipe(socket);
    });
    await using pair = await startPair({ tls, target: target.port, client: { minCapacity: 1 } });
    const closed = nextEvent<VisitClosedEvent>(pair.client, 'visitClosed');
    const visitor = pair.visit();
    visitor.write('hello');
    await once(visitor, 'data');
    visitor.resetAndDestroy();
    t.is(((await broken.promise) as NodeJS.ErrnoException).code, 'ECONNRESET');
    t.is((await closed).reason, 'reset');
    t.is(await ask(pair.visit(), 'next'), 'next');
    t.is(pair.server.pool.errorCount, 0);
  },
);

inEveryMode(
  'case 17: a target that breaks off breaks the visitor off, and the connection stays usable',
  async (t, tls) => {
    await using target = await startTarget((socket) => {
      socket.once('data', (data) => {
        if (String(data) === 'break') socket.resetAndDestroy();
        else socket.end(data);
      });
    });
    await using pair = await startPair({ tls, target: target.port, client: { minCapacity: 1 } });
    const visitor = pair.visit();
    visitor.write('break');
    const [error] = (await once(visitor, 'error')) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNRESET');
    t.is(await ask(pair.visit(), 'next'), 'next');
    t.is(pair.server.pool.errorCount, 0);
  },
);

test('case 17: a target that is down resets the visitor at once, and the pool keeps its connections', async (t) => {
  await using pair = await startPair({ target: await freePort() });
  const closed = nextEvent<VisitClosedEvent>(pair.server, 'visitClosed');
  const visitor = pair.visit();
  const [error] = (await once(visitor, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  const { reason, error: why } = await closed;
  t.is(reason, 'reset');
  t.is((why as { resetCode?: number }).resetCode, 1);
  await until(() => pair.server.pool.idle >= 8, 'the connection is back');
});

test('case 17: a target that does not accept is given up after the connect timeout', async (t) => {
  await using silent = await startSilentTarget();
  await using pair = await startPair({ target: silent.port, tunnelClient: { connectTimeoutMs: 50 } });
  const closed = nextEvent<VisitClosedEvent>(pair.server, 'visitClosed');
  const visitor = pair.visit();
  await once(visitor, 'error');
  t.is(((await closed).error as { resetCode?: number }).resetCode, 2);
});

test('a visitor who finds nothing idle waits, and is reset when nothing comes', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, tunnelServer: { waitMs: 30 } });
  await pair.client.close({ graceMs: 0 });
  await until(() => pair.server.pool.size === 0, 'the client is gone');
  const refused = nextEvent<VisitRefusedEvent>(pair.server, 'visitRefused');
  const visitor = pair.visit();
  const [error] = (await once(visitor, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  t.is(((await refused).error as { code?: string }).code, 'POOLD_ERR_ACQUIRE_TIMEOUT');
});

test('a visitor who leaves while waiting never gets a connection', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port });
  await pair.client.close({ graceMs: 0 });
  await until(() => pair.server.pool.size === 0, 'the client is gone');
  const visitor = pair.visit();
  await until(() => pair.server.pool.waiting === 1, 'the visitor waits');
  const refused = nextEvent<VisitRefusedEvent>(pair.server, 'visitRefused');
  visitor.resetAndDestroy();
  t.is(((await refused).error as Error).message, 'the visitor left');
  t.is(pair.server.pool.waiting, 0);
});

test('500 visits, 50 at a time, pass through 8 connections and none is lost', async (t) => {
  await using target = await startTarget(echo);
  const eight = { minCapacity: 8, maxCapacity: 8 };
  await using pair = await startPair({ tls: 1, target: target.port, client: eight });
  let answered = 0;
  let next = 0;
  const visitors = Array.from({ length: 50 }, async () => {
    while (next < 500) {
      const message = `visit ${next++}`;
      if ((await ask(pair.visit(), message)) === message) answered += 1;
    }
  });
  await Promise.all(visitors);
  t.is(answered, 500);
  t.is(pair.server.pool.stats().created, 8);
});

test('more visitors than connections make the client dial more, at once', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({
    target: target.port,
    client: { minCapacity: 1, minIntervalMs: 1000 },
    // A machine that is busy with other tests dials slowly.
    tunnelServer: { waitMs: 50_000 },
  });
  const visitors = Array.from({ length: 40 }, () => pair.visit());
  for (const visitor of visitors) visitor.write('held');
  await Promise.all(visitors.map((visitor) => once(visitor, 'data')));
  t.true(pair.server.pool.inUse >= 40);
  for (const visitor of visitors) visitor.destroy();
});

test('a closing server lets visits end, and lets nobody in meanwhile', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port });
  const visitor = pair.visit();
  visitor.write('still here');
  await once(visitor, 'data');
  const closing = pair.server.close({ graceMs: 5000 });
  const late = pair.visit();
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  t.regex(String(error.code), /ECONNREFUSED|ECONNRESET/);
  t.is(await ask(visitor, ' and done'), ' and done');
  await closing;
  t.is(pair.server.pool.size, 0);
});

test('visits that do not end in the grace period are broken off', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port });
  const visitor = pair.visit();
  visitor.write('forever');
  await once(visitor, 'data');
  const broken = once(visitor, 'error');
  await pair.server.close({ graceMs: 20 });
  t.is(((await broken) as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
});

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

test('a tunnel that is started twice runs on', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port });
  await Promise.all([pair.server.start(), pair.client.start()]);
  t.is(await ask(pair.visit(), 'here'), 'here');
});

test('a tunnel whose pool is destroyed lets nobody in any more', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port });
  pair.server.pool.destroy();
  t.is(pair.server.address, undefined);
});

test('a visitor whose target is down at one client is served by another, and its bytes arrive once', async (t) => {
  await using target = await startTarget(echo);
  let first = '';
  await using pair = await startPair({
    target: await freePort(),
    client: { minCapacity: 2 },
    server: { pickGroup: (groups) => groups.find(({ name }) => name === first)?.name },
  });
  first = pair.client.pool.client;
  await using other = new TunnelClient({
    pool: { dial: pair.server.pool.address ?? '', tls: { mode: 0 }, token: TOKEN, minCapacity: 2 },
    target: { host: '127.0.0.1', port: target.port },
  });
  await other.start();
  await other.pool.warmed(2);
  await pair.server.pool.warmed(4);
  const text = 'x'.repeat(100_000);
  t.is(await ask(pair.visit(), text), text);
  t.is(target.accepted, 1);
});

test('visitors never notice that idle connections are closed under their hands', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ tls: 1, target: target.port, client: { minCapacity: 4 } });
  let answered = 0;
  const visitors = Array.from({ length: 8 }, async (_, visitor) => {
    for (let visit = 0; visit < 40; visit += 1) {
      if (visitor === 0 && visit % 4 === 0) pair.client.pool.clean();
      if (visitor === 1 && visit % 4 === 2) pair.server.pool.clean();
      const message = `${visitor} ${visit}`;
      if ((await ask(pair.visit(), message)) === message) answered += 1;
    }
  });
  await Promise.all(visitors);
  t.is(answered, 320);
});

test('a target may be a unix socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-'));
  const path = join(folder, 'target');
  const target = createServer({ allowHalfOpen: true }, echo).listen(path);
  await once(target, 'listening');
  await using pair = await startPair({ target: 1, tunnelClient: { target: `unix:${path}` } });
  t.is(await ask(pair.visit(), 'hello'), 'hello');
  target.close();
  await rm(folder, { recursive: true });
});

test('visitors that reset their connection before it is accepted break nothing', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port });
  connectAndReset(pair.server.address?.port ?? 0);
  t.is(await ask(pair.visit(), 'still here'), 'still here');
  t.is(pair.server.pool.errorCount + pair.client.pool.errorCount, 0);
});
