import test from 'ava';
import type { ClientRefusedEvent } from '../../src/balancer/balancer-events.ts';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { sayTo } from '../helpers/raw-visitor.ts';

/** Requests that hide another one, /admin, as two servers in a row might read them. */
const SMUGGLED: readonly (readonly [what: string, text: string])[] = [
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
  [
    'a coding in disguise',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
  [
    'a space before the colon',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
  [
    'chunks of a bad size',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
  [
    'lines that end with LF',
    'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\n\nGET /admin HTTP/1.1\nHost: a\n\n',
  ],
  [
    'a folded line',
    'POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\n Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n identity\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
  ['no host', 'GET /admin HTTP/1.1\r\n\r\n'],
  ['two hosts', 'GET /admin HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
];

for (const [what, text] of SMUGGLED) {
  test(`case 30: ${what}: refused, and nothing hidden in it is served`, async (t) => {
    const seen: (string | undefined)[] = [];
    await using target = await startHttp((asked, response) => {
      seen.push(asked.url);
      asked.resume();
      response.end('served');
    });
    await using balancer = await startBalancer([target]);
    using visitor = sayTo(balancer.port, [text]);
    const { text: said } = await visitor.fate;
    t.regex(said, /^HTTP\/1\.1 (400|501) /, said);
    t.deepEqual(
      seen.filter((url) => url === '/admin'),
      [],
    );
  });
}

test('case 32: a head that is too long is refused', async (t) => {
  await using target = await startHttp('served');
  await using balancer = await startBalancer([target], { maxHeaderBytes: 2048 });
  const refused = nextEvent<ClientRefusedEvent>(balancer, 'clientRefused');
  using visitor = sayTo(balancer.port, [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(3000)}\r\n\r\n`]);
  t.regex((await visitor.fate).text, /^HTTP\/1\.1 431 /);
  t.is((await refused).reason, 'header-too-long');
  t.is(target.requests, 0);
});

test('case 32: many headers are all passed on, or none is', async (t) => {
  let count = 0;
  await using target = await startHttp((asked, response) => {
    count = asked.rawHeaders.filter((name) => name.startsWith('x')).length;
    response.end();
  });
  target.server.maxHeadersCount = 0;
  await using balancer = await startBalancer([target], { maxHeaderBytes: 64 * 1024 });
  const many = Array.from({ length: 2100 }, (_, at) => `x${at}: 1`);
  using visitor = sayTo(balancer.port, [`GET / HTTP/1.1\r\nHost: a\r\n${many.join('\r\n')}\r\n\r\n`]);
  await visitor.answered('200 OK');
  t.is(count, 2100);
});

for (const [what, pieces] of [
  ['nothing', []],
  ['half a head', ['GET / HTTP/1.1\r\nHost']],
] as const) {
  test(`case 32: who says ${what} is cut off in time`, async (t) => {
    await using target = await startHttp('served');
    await using balancer = await startBalancer([target], { headerTimeoutMs: 100 });
    using visitor = sayTo(balancer.port, pieces);
    t.regex((await visitor.fate).text, /^HTTP\/1\.1 408 /);
    t.is(target.requests, 0);
    t.is(balancer.stats().refused['too-slow'], 1);
  });
}

test('case 32: who does not go on with a body is cut off in time, and frees its place', async (t) => {
  await using target = await startHttp((asked) => void asked.on('error', () => {}).resume());
  await using balancer = await startBalancer([target], { timeoutMs: 200 });
  using visitor = sayTo(balancer.port, ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n', 'half']);
  t.regex((await visitor.fate).text, /^HTTP\/1\.1 408 [^]*the body has not come in time/);
  await until(() => balancer.stats().servers[0]?.inUse === 0, 'its place is free');
});

test('case 32: who goes silent while it waits for its turn is cut off in time when that has come', async (t) => {
  await using target = await startHttp((asked, response) => {
    if (asked.method === 'GET') return;
    asked.on('error', () => {}).resume();
    response.on('error', () => {});
  });
  await using balancer = await startBalancer([target], { timeoutMs: 500, maxConnections: 1 });
  // Its place is taken until the server is too slow with this one.
  const first = askHttp(balancer.port, '/');
  await until(() => target.requests === 1, 'the first is there');
  using visitor = sayTo(balancer.port, ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n', 'half']);
  t.is((await first).status, 504);
  t.regex((await visitor.fate).text, /^HTTP\/1\.1 408 /);
});

for (const [what, header] of [
  ['its answer', ''],
  ['what it gets in place of an upgrade', 'Connection: Upgrade\r\nUpgrade: words\r\n'],
] as const) {
  test(`case 32: who does not read ${what} is cut off in time, and frees its place`, async (t) => {
    await using target = await startHttp((_, response) => response.end(Buffer.alloc(64 * 1024 * 1024)));
    await using balancer = await startBalancer([target], { timeoutMs: 1000 });
    using visitor = sayTo(balancer.port, [`GET / HTTP/1.1\r\nHost: a\r\n${header}\r\n`]);
    visitor.socket.pause();
    await until(() => balancer.stats().requests.closed['client-left'] === 1, 'it is cut off');
    t.is(balancer.stats().servers[0]?.inUse, 0);
  });
}

test('case 32: who does not read the last of its answers is cut off in time, also when its server has long done with it', async (t) => {
  // Many, until the system takes no more: then the whole of one waits, and nothing more of it is to come.
  await using target = await startHttp((_, response) => response.end(Buffer.alloc(60_000)));
  await using balancer = await startBalancer([target], { timeoutMs: 300, headerTimeoutMs: 100 });
  using visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(250)]);
  visitor.socket.pause();
  await until(() => balancer.stats().requests.opened === 250, 'all are there');
  await until(() => balancer.stats().clients === 0, 'it is cut off');
  t.true(balancer.stats().requests.closed.answered < 250);
});

test('case 32: requests that do not wait for answers go on one by one, in order, and have no more room than others', async (t) => {
  const waiting: (() => void)[] = [];
  await using target = await startHttp((asked, response) => void waiting.push(() => response.end(`<${asked.url}>`)));
  await using balancer = await startBalancer([target]);
  const many = Array.from({ length: 200 }, (_, at) => `GET /${at} HTTP/1.1\r\nHost: a\r\n\r\n`);
  using visitor = sayTo(balancer.port, [many.slice(0, 50).join(''), many.slice(50).join('')]);
  for (let at = 0; at < many.length; at += 1) {
    await until(() => waiting.length > at, `${at} is there`);
    t.is(waiting.length, at + 1);
    waiting[at]?.();
  }
  await visitor.answered('</199>');
});

test('case 32: a client with requests without end is cut off', async (t) => {
  let asked = 0;
  await using target = await startHttp(() => void (asked += 1));
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000)]);
  await visitor.fate;
  await until(() => balancer.stats().requests.on === 0, 'they are over');
  t.true(asked <= 1);
  t.is(balancer.stats().refused['too-many'], 1);
});

test('case 32: who leaves with requests unanswered leaves nothing behind', async (t) => {
  let asked = 0;
  await using target = await startHttp(() => void (asked += 1));
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(10)]);
  await until(() => balancer.stats().requests.on === 10 && asked === 1, 'they are there');
  visitor.socket.resetAndDestroy();
  await until(() => balancer.stats().requests.on === 0, 'they are over');
  t.is(asked, 1);
  t.is(balancer.stats().servers[0]?.inUse, 0);
});

test('what holds for each address does not hold for a proxy in front', async (t) => {
  await using target = await startHttp('served');
  const visitors = { maxVisitorsPerAddress: 1 };
  await using balancer = await startBalancer([target], { visitors, trustedProxies: ['127.0.0.1'] });
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  using one = sayTo(balancer.port, [GET]);
  using two = sayTo(balancer.port, [GET]);
  await Promise.all([one.answered('served'), two.answered('served')]);
  using stranger = sayTo(balancer.port, [GET], '127.0.0.2');
  await stranger.answered('served');
  using other = sayTo(balancer.port, [GET], '127.0.0.2');
  t.not((await other.fate).text, 'served');
});

test('rules for visitors hold for clients', async (t) => {
  await using target = await startHttp('served');
  await using balancer = await startBalancer([target], { visitors: { deny: ['127.0.0.2'], maxVisitorsPerAddress: 1 } });
  using stranger = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'], '127.0.0.2');
  t.is((await stranger.fate).text, '');
  using first = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  await first.answered('served');
  using second = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  t.is((await second.fate).text, '');
  t.deepEqual(balancer.stats().refused, { denied: 1, address: 1 });
});

test('what a server says beyond its answer never reaches the next client', async (t) => {
  await using target = await startHttp((asked, response) => {
    response.end('mine');
    if (asked.url === '/first') {
      asked.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned');
    }
  });
  await using balancer = await startBalancer([target]);
  for (let at = 0; at < 20; at += 1) {
    t.is((await askHttp(balancer.port, '/first')).body, 'mine');
    t.is((await askHttp(balancer.port, '/second')).body, 'mine');
  }
});
