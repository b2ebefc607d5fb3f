import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type CheckKind, HealthCheck } from '../../../src/shared/tunnel/health-check.ts';
import type { Address } from '../../../src/shared/net/address.ts';
import { manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';
import { freePort, startSilentTarget, startTarget } from '../../helpers/targets.ts';

/** A check that has begun, each 10 s and for 2 s at most, and what it has said so far. */
function startCheck(t: ExecutionContext, to: number | Address, check: CheckKind, random = 0, header?: Buffer) {
  const time = manualClock();
  const heard: string[] = [];
  const rules = { check, header, intervalMs: 10_000, timeoutMs: 2000, clock: time.clock, random: () => random };
  const address = typeof to === 'number' ? { host: '127.0.0.1', port: to } : to;
  const one = new HealthCheck(address, rules, {
    passed: () => void heard.push('passed'),
    failed: (error) => void heard.push(error.message),
  });
  t.teardown(() => one.stop());
  one.start();
  return { one, heard, time, said: (count: number) => until(() => heard.length >= count, `${count} verdicts`) };
}

/** A web server; its connections end with the test. */
async function startWeb(t: ExecutionContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const web = createServer(answer).listen(0, '127.0.0.1');
  await once(web, 'listening');
  t.teardown(() => {
    web.closeAllConnections();
    web.close();
  });
  return (web.address() as AddressInfo).port;
}

test('tcp: who accepts is well, who refuses is not, and each is asked again after the interval', async (t) => {
  const sockets: Socket[] = [];
  await using target = await startTarget((socket) => sockets.push(socket.resume()));
  const well = startCheck(t, target.port, 'tcp');
  await well.said(1);
  await until(() => sockets[0]?.readableEnded === true, 'the check has closed');
  await well.time.advance(9999);
  t.is(well.time.timers, 1);
  await well.time.advance(1);
  await well.said(2);
  t.deepEqual([well.heard, target.accepted], [['passed', 'passed'], 2]);
  const ill = startCheck(t, await freePort(), 'tcp');
  await ill.said(1);
  t.regex(ill.heard[0] ?? '', /ECONNREFUSED/);
});

test('tcp: who stays silent is not well', async (t) => {
  await using silent = await startSilentTarget();
  const { time, heard, said } = startCheck(t, silent.port, 'tcp');
  await time.advance(1999);
  t.deepEqual(heard, []);
  await time.advance(1);
  await said(1);
  t.deepEqual(heard, [`the target 127.0.0.1:${silent.port} did not answer within 2000 ms`]);
});

test('the interval is up to a fifth shorter, by chance', async (t) => {
  await using target = await startTarget((socket) => socket.resume());
  const { time, said } = startCheck(t, target.port, 'tcp', 0.5);
  await said(1);
  await time.advance(8999);
  t.is(target.accepted, 1);
  await time.advance(1);
  await said(2);
  t.pass();
});

for (const [status, verdict] of [
  [200, 'passed'],
  [204, 'passed'],
  [302, 'passed'],
  [404, 'GET /health was answered with 404'],
  [503, 'GET /health was answered with 503'],
] as const) {
  test(`http: ${status} is ${verdict}`, async (t) => {
    const port = await startWeb(t, (_, response) => response.writeHead(status).end());
    const { heard, said } = startCheck(t, port, { http: '/health' });
    await said(1);
    t.deepEqual(heard, [verdict]);
  });
}

test('http: a GET with Host is sent, the answer is read past, and the connection closed', async (t) => {
  const requests: IncomingMessage[] = [];
  let written = false;
  const port = await startWeb(t, (request, response) => {
    requests.push(request);
    response.end(Buffer.alloc(4 * 1024 * 1024), () => (written = true));
  });
  const { heard, said } = startCheck(t, port, { http: '/health?deep=1' });
  await said(1);
  t.deepEqual([heard, written], [['passed'], true]);
  const [{ method, url, headers, socket } = {} as never] = requests;
  t.deepEqual([method, url, headers.host], ['GET', '/health?deep=1', `127.0.0.1:${port}`]);
  await until(() => socket.destroyed, 'the connection is closed');
});

test('http: who does not answer, breaks off, or speaks something else is not well', async (t) => {
  const silent = startCheck(t, await startWeb(t, () => {}), { http: '/' });
  await silent.time.advance(2000);
  await silent.said(1);
  t.deepEqual(silent.heard, ['GET / was not answered within 2000 ms']);
  for (const answer of ['', 'SSH-2.0-OpenSSH\r\n', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n']) {
    await using target = await startTarget((socket) => socket.once('data', () => socket.end(answer)));
    const { heard, said } = startCheck(t, target.port, { http: '/' });
    await said(1);
    t.not(heard[0], 'passed', answer);
  }
  const refusing = startCheck(t, await freePort(), { http: '/' });
  await refusing.said(1);
  t.regex(refusing.heard[0] ?? '', /ECONNREFUSED/);
});

test('http: an answer that does not end is given up, but its status counts', async (t) => {
  let [arrived, left] = [false, false];
  const port = await startWeb(t, (_, response) => {
    response.on('close', () => (left = true));
    // More than waits in the system's buffers: once it has gone, the other end reads.
    response.write(Buffer.alloc(32 * 1024 * 1024), () => (arrived = true));
  });
  const { time, heard, said } = startCheck(t, port, { http: '/' });
  await until(() => arrived, 'much of the answer has been read');
  t.deepEqual([heard, left], [[], false]);
  await time.advance(2000);
  await said(1);
  await until(() => left, 'the connection is closed');
  t.deepEqual(heard, ['passed']);
});

test('unix sockets are checked, too', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'target');
  const web = createServer((_, response) => response.end()).listen(path);
  await once(web, 'listening');
  for (const check of ['tcp', { http: '/' }] as const) {
    const { heard, said } = startCheck(t, { path }, check);
    await said(1);
    t.deepEqual(heard, ['passed']);
    const gone = startCheck(t, { path: join(folder, 'nothing') }, check);
    await gone.said(1);
    t.regex(gone.heard[0] ?? '', /ENOENT/);
  }
  web.close();
});

for (const check of ['tcp', { http: '/' }] as const) {
  test(`${check === 'tcp' ? 'tcp' : 'http'}: a check that is stopped leaves nothing, and says nothing any more`, async (t) => {
    // Between two checks.
    const port = await startWeb(t, (_, response) => response.end());
    const resting = startCheck(t, port, check);
    await resting.said(1);
    resting.one.stop();
    t.is(resting.time.timers, 0);
    // In the middle of one.
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => sockets.push(socket.resume().on('error', () => {})));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const asking = startCheck(t, (server.address() as AddressInfo).port, check);
    asking.one.stop();
    await until(() => asking.time.timers === 0, 'no timer is left');
    const closed = once(server, 'close');
    server.close();
    await closed;
    t.true(sockets.every((socket) => socket.destroyed));
    t.deepEqual(asking.heard, []);
  });
}

for (const check of ['tcp', { http: '/' }] as const) {
  test(`${check === 'tcp' ? 'tcp' : 'http'}: a header comes first where the target wants one`, async (t) => {
    const said: Buffer[] = [];
    await using target = await startTarget((socket) => {
      socket.on('data', (piece: Buffer) => {
        said.push(piece);
        if (check !== 'tcp') socket.end('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    const { heard, said: verdicts } = startCheck(t, target.port, check, 0, Buffer.from('PROXY UNKNOWN\r\n'));
    await verdicts(1);
    t.deepEqual(heard, ['passed']);
    await until(() => said.length > 0, 'the target has read');
    t.regex(String(Buffer.concat(said)), check === 'tcp' ? /^PROXY UNKNOWN\r\n$/ : /^PROXY UNKNOWN\r\nGET \/ HTTP/);
  });
}
