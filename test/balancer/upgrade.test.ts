import { once } from 'node:events';
import { type Duplex, PassThrough } from 'node:stream';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { EarlyBytes } from '../../src/balancer/early-bytes.ts';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { startTarget } from '../helpers/targets.ts';
import { sayTo } from '../helpers/raw-visitor.ts';

const UPGRADE = 'GET /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n';

/** A server that goes on with a protocol of its own: `serve` has the socket. */
async function startWords(serve: (socket: Duplex, ahead: Buffer) => void) {
  const target = await startHttp('plain');
  target.server.on('upgrade', (_, socket: Duplex, ahead: Buffer) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: words\r\nX-Own: 1\r\n\r\n');
    serve(socket, ahead);
  });
  return target;
}

test('a WebSocket goes through, both ways and to its end', async (t) => {
  await using target = await startHttp('plain');
  const sockets = new WebSocketServer({ server: target.server });
  sockets.on('connection', (socket, asked) => {
    socket.send(`${asked.url} ${String(asked.headers['x-forwarded-for'])}`);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await using balancer = await startBalancer([target]);
  const client = new WebSocket(`ws://127.0.0.1:${balancer.port}/chat`);
  const [first] = (await once(client, 'message')) as [Buffer];
  t.is(first.toString(), '/chat 127.0.0.1');
  const long = Buffer.alloc(1_000_000, 'x');
  client.send(long);
  const [second] = (await once(client, 'message')) as [Buffer];
  t.true(second.equals(long));
  t.is(balancer.stats().servers[0]?.inUse, 1);
  client.close(1000, 'done');
  const [code, reason] = (await once(client, 'close')) as [number, Buffer];
  t.deepEqual([code, reason.toString()], [1000, 'done']);
  await until(() => balancer.stats().requests.closed.upgraded === 1, 'it is over');
  t.is(balancer.stats().servers[0]?.inUse, 0);
  t.true(balancer.stats().bytes.sent > long.length);
});

test('bytes that come with the request are not lost, and each direction has an end of its own', async (t) => {
  await using target = await startWords((socket, ahead) => {
    const heard = [ahead];
    socket.on('data', (data: Buffer) => heard.push(data)).on('end', () => socket.end(`heard ${heard.join('')}`));
  });
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [`${UPGRADE}early`]);
  await visitor.answered('X-Own: 1');
  visitor.socket.end(' late');
  const { text, end } = await visitor.fate;
  t.regex(text, /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nX-Own: 1\r\nUpgrade: words\r\n\r\n/);
  t.true(text.endsWith('heard early late'), text);
  t.is(end, 'end');
});

for (const who of ['server', 'client'] as const) {
  test(`when the ${who} breaks off, the other side hears it`, async (t) => {
    let socket: Duplex | undefined;
    await using target = await startWords((one) => void (socket = one.resume()));
    await using balancer = await startBalancer([target]);
    using visitor = sayTo(balancer.port, [UPGRADE]);
    await visitor.answered('X-Own: 1');
    if (who === 'server') (socket as unknown as { resetAndDestroy(): void }).resetAndDestroy();
    else visitor.socket.resetAndDestroy();
    if (who === 'server') t.is((await visitor.fate).end, 'ECONNRESET');
    else await until(() => socket?.destroyed === true, 'the server hears it');
    await until(() => balancer.stats().requests.on === 0, 'it is over');
    t.is(balancer.stats().requests.closed.upgraded, 1);
  });
}

test('who has said its end first gets all that the server says behind it', async (t) => {
  const BYTES = 8 * 1024 * 1024;
  await using target = await startTarget((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 101 Words\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n'));
    socket.once('end', () => socket.end(Buffer.alloc(BYTES, 'q')));
  });
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [UPGRADE]);
  await visitor.answered('101');
  visitor.socket.pause().end();
  await until(() => visitor.socket.readableLength > 0, 'it comes');
  visitor.socket.resume();
  const { text, end } = await visitor.fate;
  t.is(end, 'end');
  t.is(text.length - text.replaceAll('q', '').length, BYTES);
});

test('a server that does not want to is heard, and nothing more passes on that connection', async (t) => {
  await using target = await startHttp('no thanks');
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [`${UPGRADE}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`]);
  const { text } = await visitor.fate;
  t.regex(text, /^HTTP\/1\.1 200 OK[^]*Connection: close[^]*no thanks$/i);
  t.is(target.requests, 1);
});

test('case 31: HTTP/2 in clear text does not pass: its upgrade is left alone', async (t) => {
  await using target = await startWords(() => {});
  await using balancer = await startBalancer([target]);
  const head = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
  using visitor = sayTo(balancer.port, [`GET / HTTP/1.1\r\nHost: a\r\n${head}\r\n`]);
  await visitor.answered('plain');
  visitor.socket.end();
  t.regex((await visitor.fate).text, /^HTTP\/1\.1 200 OK[^]*plain$/);
});

test('case 31: an upgrade with a body is none, and its body a body', async (t) => {
  await using target = await startHttp((asked, response) => void asked.pipe(response));
  await using balancer = await startBalancer([target]);
  const head = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
  for (const upgrade of [UPGRADE, `POST / HTTP/1.1\r\nHost: a\r\n${head}\r\n`]) {
    using visitor = sayTo(balancer.port, [upgrade.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\nhello')]);
    await visitor.answered('hello');
    visitor.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nagain');
    await visitor.answered('again');
  }
  t.is(target.requests, 4);
});

test('case 31: an upgrade behind a request that is not answered yet closes the connection, and nothing else', async (t) => {
  await using target = await startHttp((asked, response) => {
    if (asked.url !== '/held') response.end('served');
  });
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [
    'GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ]);
  t.is((await visitor.fate).text, '');
  await until(() => balancer.stats().requests.on === 0, 'the request before it is given up');
  t.deepEqual(balancer.stats().refused, { 'bad-request': 1 });
  t.is((await askHttp(balancer.port, '/')).body, 'served');
});

test('upgraded connections have the grace of a close, and are broken off then', async (t) => {
  await using target = await startWords((socket) => void socket.resume());
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [UPGRADE]);
  await visitor.answered('X-Own: 1');
  await balancer.close({ graceMs: 50 });
  t.is((await visitor.fate).end, 'ECONNRESET');
});

for (const how of ['ends', 'resets'] as const) {
  test(`a client that ${how} its connection while its upgrade is unanswered takes the request along`, async (t) => {
    let asked = 0;
    let over = 0;
    await using target = await startHttp('plain');
    target.server.on('upgrade', (_, socket: Duplex) => {
      asked += 1;
      socket.on('error', () => {}).once('end', () => (over += 1));
      socket.resume();
    });
    await using balancer = await startBalancer([target]);
    using visitor = sayTo(balancer.port, [UPGRADE, 'early']);
    await until(() => asked === 1, 'the request is there');
    if (how === 'ends') visitor.socket.end();
    else visitor.socket.resetAndDestroy();
    await until(() => over === 1, 'the server hears it');
    await until(() => balancer.stats().requests.closed['client-left'] === 1, 'it is counted');
    t.is(balancer.stats().servers[0]?.inUse, 0);
  });
}

test('what a client says before its upgrade is answered comes behind it, however much it is', async (t) => {
  const early = Buffer.alloc(1024 * 1024, 'early ');
  let asked: Duplex | undefined;
  await using target = await startHttp('plain');
  target.server.on('upgrade', (_, socket: Duplex) => (asked = socket.on('error', () => {})));
  await using balancer = await startBalancer([target]);
  using visitor = sayTo(balancer.port, [UPGRADE]);
  await until(() => asked !== undefined, 'the request is there');
  visitor.socket.end(early);
  await once(visitor.socket, 'finish');
  const heard: Buffer[] = [];
  asked?.on('data', (data: Buffer) => heard.push(data)).on('end', () => asked?.end('heard it all'));
  asked?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n');
  t.regex((await visitor.fate).text, /heard it all$/);
  t.true(Buffer.concat(heard).equals(early));
  await until(() => balancer.stats().requests.closed.upgraded === 1, 'it is over');
  t.is(balancer.stats().bytes.received, early.length);
});

test('case 32: little is kept of what comes before an upgrade is answered, and the rest waits in its socket', (t) => {
  const socket = new PassThrough({ highWaterMark: 1024 });
  const early = new EarlyBytes(socket, Buffer.from('first'));
  let said = 0;
  for (; !socket.isPaused() && said < 1000; said += 1) socket.write(Buffer.alloc(1024));
  t.true(said <= 64, `${said} KiB`);
  early.release();
  t.true(socket.readableLength >= said * 1024 + 5);
});
