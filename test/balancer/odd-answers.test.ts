import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'ava';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { sayTo } from '../helpers/raw-visitor.ts';
import { startTarget } from '../helpers/targets.ts';

const NEVER = { intervalMs: 1_000_000, rise: 1, fall: 1000 };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const MIB = 1024 * 1024;

/** The bodies of the answers are all x, and their heads have none. */
function bodyBytes(text: string): number {
  return text.length - text.replaceAll('x', '').length;
}

/** A server that says these bytes to each request, and counts them. */
async function startSaying(words: string | Buffer, then: (socket: Socket) => void = () => {}) {
  const asked: string[] = [];
  const target = await startTarget((socket) => {
    socket.on('data', (data) => {
      asked.push(String(data));
      socket.write(words, () => then(socket));
    });
  });
  return {
    get port() {
      return target.port;
    },
    asked,
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}

for (const [what, head] of [
  ['ends with its connection', 'HTTP/1.1 200 OK\r\n\r\n'],
  ['is the last of its connection', `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${4 * MIB}\r\n\r\n`],
] as const) {
  test(`an answer that ${what} arrives whole at a client that reads it when its server has long gone`, async (t) => {
    const words = Buffer.concat([Buffer.from(head), Buffer.alloc(4 * MIB, 'x')]);
    await using target = await startSaying(words, (socket) => socket.end());
    await using balancer = await startBalancer([target], { health: NEVER });
    using visitor = sayTo(balancer.port, [GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')]);
    visitor.socket.pause();
    await until(() => visitor.socket.readableLength > 0, 'it has begun');
    await until(() => balancer.stats().bytes.sent === 0 && target.asked.length === 1, 'it is on');
    visitor.socket.resume();
    const { text, end } = await visitor.fate;
    t.is(end, 'end');
    t.is(bodyBytes(text), 4 * MIB);
  });
}

test('an answer that ends with its connection, and whose server breaks off, is never taken for a whole one', async (t) => {
  await using target = await startSaying('HTTP/1.1 200 OK\r\n\r\nhalf', (socket) => void socket.resetAndDestroy());
  await using balancer = await startBalancer([target], { health: NEVER });
  using visitor = sayTo(balancer.port, [GET]);
  // What of it the client can tell from an end is for its own system to say.
  await visitor.fate;
  t.like(balancer.stats().requests.closed, { broken: 1, answered: 0 });
});

for (const method of ['GET', 'PUT', 'POST']) {
  test(`an answer that cannot be passed on was one: no server is asked again: ${method}`, async (t) => {
    await using target = await startSaying(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    await using balancer = await startBalancer([target], { health: NEVER, retries: 5 });
    const { status } = await askHttp(balancer.port, '/', { method, headers: { 'content-length': 0 } });
    t.is(status, 502);
    t.is(target.asked.length, 1);
    await until(() => balancer.stats().servers[0]?.inUse === 0, 'its place is free');
  });
}

test('words that are no answer, on a kept connection, are no end that crossed the request', async (t) => {
  let good = true;
  await using target = await startTarget((socket) => {
    socket.on('data', () =>
      socket.write(good ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' : 'HTTP/1.1 OK\r\n\r\n'),
    );
  });
  await using balancer = await startBalancer([target], { health: NEVER, retries: 0 });
  t.is((await askHttp(balancer.port, '/')).status, 200);
  good = false;
  t.is((await askHttp(balancer.port, '/')).status, 502);
  t.like(balancer.stats().servers[0], { total: 2, failed: 1 });
});

test('hints and an unasked 100 are passed over, an unasked 101 is no answer', async (t) => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n';
  await using hinting = await startSaying(`${hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
  await using one = await startBalancer([hinting], { health: NEVER });
  t.is((await askHttp(one.port, '/')).body, 'ok');
  t.is(hinting.asked.length, 1);
  await using switching = await startSaying(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  );
  await using other = await startBalancer([switching], { health: NEVER, retries: 0 });
  t.is((await askHttp(other.port, '/')).status, 502);
  await until(() => other.stats().servers[0]?.inUse === 0, 'its place is free');
});

for (const [what, status, words] of [
  ['a status below 100', '502', 'HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok'],
  ['a reason that cannot be said again', '200', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok'],
] as const) {
  test(`${what} ends nothing but its request`, async (t) => {
    await using target = await startSaying(words);
    await using balancer = await startBalancer([target], { health: NEVER, retries: 0 });
    for (let at = 0; at < 2; at += 1) {
      using visitor = sayTo(balancer.port, [GET]);
      await visitor.answered(`HTTP/1.1 ${status} `);
    }
    await until(() => balancer.stats().servers[0]?.inUse === 0, 'its place is free');
    t.is(target.asked.length, 2);
  });
}

test('a reason and headers beyond ASCII pass as they are', async (t) => {
  const words = 'HTTP/1.1 404 Non trouv\u00e9\r\nX-Name: J\u00fcrgen\r\nContent-Length: 2\r\n\r\nno';
  await using target = await startSaying(Buffer.from(words, 'latin1'));
  await using balancer = await startBalancer([target], { health: NEVER });
  using visitor = sayTo(balancer.port, [GET]);
  await visitor.answered('404 Non trouv\u00e9\r\nX-Name: J\u00fcrgen\r\n');
  t.pass();
});

test('as long as a client has not got its answers, its next request waits, and a close waits for it', async (t) => {
  let asked = 0;
  await using target = await startHttp((_, response) => {
    asked += 1;
    response.end(Buffer.alloc(8 * MIB, 'x'));
  });
  const balancer = await startBalancer([target], { health: NEVER });
  using visitor = sayTo(balancer.port, [GET.repeat(2)]);
  visitor.socket.pause();
  await until(() => asked === 1 && visitor.socket.readableLength > 0, 'the first is on');
  t.like(balancer.stats().requests, { on: 2, closed: { answered: 0 } });
  const closed = balancer.close({ graceMs: 60_000 });
  visitor.socket.resume();
  await closed;
  t.is(balancer.stats().requests.closed.answered, 2);
  const { text } = await visitor.fate;
  t.is(bodyBytes(text), 16 * MIB);
});

test('the head of a request does not wait for its body', async (t) => {
  await using target = await startHttp((asked, response) => {
    asked.on('error', () => {});
    response.writeHead(401).end('no');
  });
  await using balancer = await startBalancer([target], { health: NEVER });
  for (const length of ['Transfer-Encoding: chunked', 'Content-Length: 10']) {
    using visitor = sayTo(balancer.port, [`POST / HTTP/1.1\r\nHost: a\r\n${length}\r\n\r\n`]);
    await visitor.answered('401 Unauthorized');
  }
  t.is(target.requests, 2);
});

test('what a server keeps for less than a second is not kept', async (t) => {
  await using target = await startSaying('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok');
  await using balancer = await startBalancer([target], { health: NEVER });
  const socket = sayTo(balancer.port, [GET]);
  await socket.answered('ok');
  await until(() => balancer.stats().servers[0]?.inUse === 0, 'its connection is closed');
  socket.socket.write(GET);
  await until(() => target.asked.length === 2, 'the next one is there');
  socket.socket.destroy();
  await once(socket.socket, 'close');
  t.pass();
});
