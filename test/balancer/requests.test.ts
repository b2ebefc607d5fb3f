import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import test from 'ava';
import type { RequestClosedEvent } from '../../src/balancer/balancer-events.ts';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { sayTo } from '../helpers/raw-visitor.ts';

test('requests go to the servers in turns, over connections that are kept', async (t) => {
  await using one = await startHttp('one');
  await using two = await startHttp('two');
  await using balancer = await startBalancer([one, two]);
  const bodies: string[] = [];
  for (let at = 0; at < 20; at += 1) bodies.push((await askHttp(balancer.port, '/')).body);
  t.deepEqual(bodies.slice(0, 4), ['one', 'two', 'one', 'two']);
  t.is(one.requests, 10);
  // One for requests; those of checks come and go.
  t.true(one.sockets.size <= 2);
  const { requests, servers } = balancer.stats();
  t.is(requests.opened, 20);
  t.is(requests.answers['2xx'], 20);
  t.deepEqual(
    servers.map(({ total, failed, inUse, up }) => [total, failed, inUse, up]),
    [
      [10, 0, 0, true],
      [10, 0, 0, true],
    ],
  );
});

test('a server gets the request as it was asked, and the client the answer as it was given', async (t) => {
  let seen: IncomingMessage | undefined;
  await using target = await startHttp((asked, response) => {
    seen = asked;
    response.writeHead(201, 'Made It', [
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
      ['X-Name', 'J\u00fcrgen'],
    ]);
    response.end('made');
  });
  await using balancer = await startBalancer([target]);
  const headers = { host: 'example.org', cookie: 'x', 'X-Forwarded-For': '1.2.3.4' };
  const { status, headers: got, body } = await askHttp(balancer.port, '/a%20b?c=d&e', { method: 'DELETE', headers });
  t.deepEqual([status, got['set-cookie'], got['x-name'], body], [201, ['a=1', 'b=2'], 'J\u00fcrgen', 'made']);
  t.deepEqual([seen?.method, seen?.url, seen?.headers.host], ['DELETE', '/a%20b?c=d&e', 'example.org']);
  t.deepEqual([seen?.headers['x-forwarded-for'], seen?.headers['x-forwarded-proto']], ['127.0.0.1', 'http']);
});

/** Sends a body and reads an answer. */
async function post(
  port: number,
  pieces: readonly Buffer[],
  headers: Record<string, string | number> = {},
): Promise<{ status: number; body: Buffer; headers: IncomingHttpHeaders }> {
  const asked = request({ host: '127.0.0.1', port, method: 'POST', agent: false, headers });
  const answered = once(asked, 'response') as Promise<[IncomingMessage]>;
  for (const piece of pieces) if (!asked.write(piece)) await once(asked, 'drain');
  asked.end();
  const [response] = await answered;
  const got: Buffer[] = [];
  for await (const piece of response) got.push(piece as Buffer);
  return { status: response.statusCode ?? 0, body: Buffer.concat(got), headers: response.headers };
}

for (const kind of ['with its length', 'in chunks']) {
  test(`a body ${kind} arrives, and comes back`, async (t) => {
    let lengths: unknown;
    await using target = await startHttp((asked, response) => {
      lengths = [asked.headers['content-length'], asked.headers['transfer-encoding']];
      asked.pipe(response);
    });
    await using balancer = await startBalancer([target]);
    const pieces = Array.from({ length: 50 }, (_, at) => Buffer.alloc(20_000, at));
    const isChunked = kind === 'in chunks';
    const { body } = await post(balancer.port, pieces, isChunked ? {} : { 'content-length': 1_000_000 });
    t.true(body.equals(Buffer.concat(pieces)));
    t.deepEqual(lengths, isChunked ? [undefined, 'chunked'] : ['1000000', undefined]);
    t.is(balancer.stats().bytes.received, 1_000_000);
    t.is(balancer.stats().bytes.sent, 1_000_000);
  });
}

test('back-pressure: what a client does not read is not fetched', async (t) => {
  let sent = 0;
  await using target = await startHttp((_, response) => {
    const piece = Buffer.alloc(64 * 1024);
    const write = (): void => {
      while (!response.destroyed) {
        sent += piece.length;
        if (!response.write(piece)) return void response.once('drain', write);
      }
    };
    write();
  });
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  visitor.socket.pause();
  let last = -1;
  let looks = 0;
  // The buffers of the system on the way are full.
  await until(() => {
    looks = sent > 0 && sent === last ? looks + 1 : 0;
    last = sent;
    return looks === 20;
  }, 'the server is held back');
  t.true(sent < 64 * 1024 * 1024, `${sent}`);
});

test('back-pressure: what a server does not read is not taken from the client', async (t) => {
  let asked: IncomingMessage | undefined;
  await using target = await startHttp((one) => void (asked = one.pause().on('error', () => {})));
  await using balancer = await startBalancer([target]);
  const sending = request({ host: '127.0.0.1', port: balancer.port, method: 'PUT', agent: false }).on(
    'error',
    () => {},
  );
  const piece = Buffer.alloc(64 * 1024);
  let sent = 0;
  const write = (): void => {
    while (!sending.destroyed) {
      sent += piece.length;
      if (!sending.write(piece)) return void sending.once('drain', write);
    }
  };
  write();
  let last = -1;
  let looks = 0;
  await until(() => {
    looks = asked !== undefined && sent === last ? looks + 1 : 0;
    last = sent;
    return looks === 20;
  }, 'the client is held back');
  t.true(sent < 64 * 1024 * 1024, `${sent}`);
  sending.destroy();
});

test('answers without a body end where they should, and the connection goes on', async (t) => {
  await using target = await startHttp((asked, response) => {
    response.setHeader('content-length', '1000');
    if (asked.method !== 'HEAD') response.statusCode = asked.url === '/204' ? 204 : 304;
    response.end();
  });
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [
    'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /204 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /304 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  ]);
  const { text, end } = await visitor.fate;
  t.is(end, 'end');
  // Of what a GET would have got; a 204 has no length at all (RFC 9110, 8.6).
  const said = ['HTTP/1.1 200', 'content-length: 1000', 'HTTP/1.1 204', 'HTTP/1.1 304', 'content-length: 1000'];
  t.deepEqual(text.match(/HTTP\/1.1 \d+|content-length: \d+/g), said);
  t.is(balancer.stats().servers[0]?.failed, 0);
});

test('trailers follow an answer in chunks, and are not announced to who gets none', async (t) => {
  await using target = await startHttp((_, response) => {
    response.writeHead(200, { Trailer: 'X-Sum' });
    response.write('body');
    response.addTrailers({ 'X-Sum': '42' });
    response.end();
  });
  await using balancer = await startBalancer([target]);
  using modern = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n']);
  t.regex((await modern.fate).text, /Trailer: X-Sum[^]*\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n$/);
  using old = sayTo(balancer.port, ['GET / HTTP/1.0\r\nHost: a\r\n\r\n']);
  const { text } = await old.fate;
  t.regex(text, /\r\n\r\nbody$/);
  t.notRegex(text, /trailer|chunked/i);
});

test('who waits for 100 Continue hears it when there is a server, and not otherwise', async (t) => {
  const target = await startHttp((asked, response) => void asked.pipe(response));
  await using balancer = await startBalancer([target]);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n';
  using first = sayTo(balancer.port, [head]);
  await first.answered('HTTP/1.1 100 Continue\r\n\r\n');
  first.socket.write('hello');
  await first.answered('hello');
  await target.kill();
  using second = sayTo(balancer.port, [head]);
  const { text, end } = await second.fate;
  t.regex(text, /^HTTP\/1\.1 502 [^]*Connection: close/i);
  t.is(end, 'end');
});

test('a head goes out although the body is long in coming', async (t) => {
  await using target = await startHttp((_, response) => response.writeHead(200).flushHeaders());
  await using balancer = await startBalancer([target]);
  const asked = request({ host: '127.0.0.1', port: balancer.port, agent: false }).end();
  asked.on('error', () => {});
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  t.is(response.statusCode, 200);
  asked.destroy();
});

test('an answer before the end of the body is passed on, and the connection can be used again', async (t) => {
  await using target = await startHttp((asked, response) => {
    if (asked.method === 'GET') return response.end('next');
    response.writeHead(413).end('too much');
    return undefined;
  });
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n',
    'x'.repeat(1000),
  ]);
  await visitor.answered('too much');
  visitor.socket.write(`${'x'.repeat(199_000)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await visitor.answered('next');
  t.pass();
});

test('a body that is longer than allowed is refused, also when it does not say so', async (t) => {
  await using target = await startHttp((asked, response) => asked.resume().on('end', () => response.end('fits')));
  await using balancer = await startBalancer([target], { bodyLimitBytes: 1000 });
  t.is((await post(balancer.port, [Buffer.alloc(1000)])).status, 200);
  t.is((await post(balancer.port, [Buffer.alloc(600), Buffer.alloc(600)])).status, 413);
  t.is((await post(balancer.port, [Buffer.alloc(1001)], { 'content-length': 1001 })).status, 413);
});

test('a request is told of when it is over', async (t) => {
  await using target = await startHttp('hello');
  await using balancer = await startBalancer([target]);
  const closed = nextEvent<RequestClosedEvent>(balancer, 'requestClosed');
  await askHttp(balancer.port, '/path?secret=1');
  const { durationMs, ...event } = await closed;
  t.true(durationMs > 0);
  t.deepEqual(event, {
    method: 'GET',
    path: '/path',
    remote: '127.0.0.1',
    server: `127.0.0.1:${target.port}`,
    status: 200,
    end: 'answered',
    retries: 0,
    bytesIn: 0,
    bytesOut: 5,
    error: undefined,
  });
});

test('a request that goes nowhere is told of, too', async (t) => {
  await using target = await startHttp('served');
  await using balancer = await startBalancer([target]);
  const told: unknown[] = [];
  balancer.on('requestClosed', ({ method, path, status, end }) => told.push([method, path, status, end]));
  for (const head of ['Host: a\r\nHost: b', 'X: no host', 'Host: a\r\nExpect: wonders']) {
    using visitor = sayTo(balancer.port, [`GET /a?b HTTP/1.1\r\n${head}\r\n\r\n`]);
    await visitor.fate;
  }
  t.deepEqual(told, [
    ['GET', '/a', 400, 'refused'],
    ['GET', '/a', 400, 'refused'],
    ['GET', '/a', 417, 'refused'],
  ]);
  t.is(target.requests, 0);
});

test('the balancer ends in order: requests on the way are answered, and their connections closed', async (t) => {
  const waiting: (() => void)[] = [];
  await using target = await startHttp((_, response) => void waiting.push(() => response.end('late')));
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  using idle = sayTo(balancer.port, []);
  await until(() => waiting.length === 1, 'the request is there');
  const closed = balancer.close({ graceMs: 20_000 });
  await idle.fate;
  const answered = visitor.fate;
  waiting[0]?.();
  const { text } = await answered;
  t.regex(text, /Connection: close[^]*late/i);
  await closed;
  t.is(balancer.stats().requests.on, 0);
});
