import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { type RawVisitor, sayTo } from '../helpers/raw-visitor.ts';

const LIMIT = { bodyLimitBytes: 1000 };
const MIB = 1024 * 1024;

/** More than sockets hold. */
const LONG = 24 * MIB;

function head(kind: 'with its length' | 'in chunks', bytes: number): string {
  const length = kind === 'with its length' ? `Content-Length: ${bytes}\r\n\r\n` : 'Transfer-Encoding: chunked\r\n\r\n';
  return `POST / HTTP/1.1\r\nHost: a\r\n${length}${kind === 'in chunks' ? `${bytes.toString(16)}\r\n` : ''}`;
}

async function startTarget() {
  return startHttp((asked, response) => {
    asked.on('error', () => {}).resume();
    response.on('error', () => {});
  });
}

/** It is told, and its connection ended. */
async function isTold(t: ExecutionContext, { fate }: RawVisitor): Promise<void> {
  const { text, end } = await fate;
  t.is(end, 'end');
  t.regex(text, /^HTTP\/1\.1 413 [^]*Connection: close[^]*longer than is allowed here\n$/);
}

for (const kind of ['with its length', 'in chunks'] as const) {
  test(`a client that reads nothing before it has sent a body ${kind} that is too long is told so`, async (t) => {
    await using target = await startTarget();
    await using balancer = await startBalancer([target], LIMIT);
    using visitor = sayTo(balancer.port, [head(kind, LONG)]);
    visitor.socket.pause();
    visitor.socket.write(Buffer.alloc(LONG));
    visitor.socket.end(kind === 'in chunks' ? '\r\n0\r\n\r\n' : '');
    await once(visitor.socket, 'finish');
    visitor.socket.resume();
    await isTold(t, visitor);
    await until(() => balancer.stats().clients === 0, 'it is gone');
  });
}

test('a body in chunks that is too long and came while its request waited is refused, and its connection goes on', async (t) => {
  const held: (() => void)[] = [];
  await using target = await startHttp((_, response) => void held.push(() => response.end('served')));
  await using balancer = await startBalancer([target], { ...LIMIT, maxConnections: 1 });
  using first = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  await until(() => held.length === 1, 'the server is full');
  using visitor = sayTo(balancer.port, [`${head('in chunks', 1001)}${'x'.repeat(1001)}\r\n0\r\n\r\n`]);
  await until(() => balancer.stats().requests.waiting === 1, 'the other one waits');
  held[0]?.();
  await first.answered('served');
  await visitor.answered('413');
  visitor.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => held.length === 2, 'its next request is there');
  held[1]?.();
  await visitor.answered('served');
  t.is(target.requests, 2);
});

test('a request behind a body that is too long is not heard', async (t) => {
  await using target = await startTarget();
  await using balancer = await startBalancer([target], LIMIT);
  using visitor = sayTo(balancer.port, [head('with its length', 1001)]);
  await visitor.answered('413');
  visitor.socket.write(`${'x'.repeat(1001)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await isTold(t, visitor);
  await until(() => balancer.stats().clients === 0, 'it is gone');
  t.is(target.requests, 0);
});

test('case 32: who goes on sending for too long is cut off', async (t) => {
  const time = manualClock();
  await using target = await startTarget();
  await using balancer = await startBalancer([target], { ...LIMIT, clock: time.clock });
  using visitor = sayTo(balancer.port, [head('with its length', LONG)]);
  await isTold(t, visitor);
  visitor.socket.write('more');
  await time.advance(29_000);
  t.is(balancer.stats().clients, 1);
  await time.advance(1000);
  await until(() => balancer.stats().clients === 0, 'it is cut off');
});

test('case 32: who goes on sending too much is cut off', async (t) => {
  await using target = await startTarget();
  await using balancer = await startBalancer([target], LIMIT);
  using visitor = sayTo(balancer.port, [head('with its length', 1000 * MIB)]);
  await isTold(t, visitor);
  const { socket } = visitor;
  let sent = 0;
  const more = (): void => {
    while (sent < 200 * MIB && !socket.destroyed) {
      sent += MIB;
      if (!socket.write(Buffer.alloc(MIB))) return;
    }
  };
  socket.on('drain', more);
  more();
  await until(() => balancer.stats().clients === 0, 'it is cut off');
  t.true(sent > 64 * MIB && sent < 200 * MIB, `${sent}`);
});

test('case 32: who sends no more is let go of in time', async (t) => {
  await using target = await startTarget();
  await using balancer = await startBalancer([target], LIMIT);
  using visitor = sayTo(balancer.port, [head('with its length', LONG)]);
  await isTold(t, visitor);
  await until(() => balancer.stats().clients === 0, 'it is let go of');
});
