import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import type { RequestClosedEvent } from '../../src/balancer/balancer-events.ts';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { sayTo } from '../helpers/raw-visitor.ts';
import { freePort, startSilentTarget, startTarget, type Target } from '../helpers/targets.ts';

/** Checks that say nothing while a test runs. */
const NEVER = { intervalMs: 1_000_000, rise: 1, fall: 1000 };

/** Its first check has passed, so that nobody knows that it is no more. */
async function goAway(server: Target): Promise<void> {
  await until(() => server.accepted === 1, 'it was checked');
  await server[Symbol.asyncDispose]();
}

test('a server is killed and comes back under load, and no GET fails', async (t) => {
  const targets = await Promise.all(['one', 'two', 'three'].map(startHttp));
  await using balancer = await startBalancer(targets, { health: { intervalMs: 20, rise: 1, fall: 1 } });
  const bad: unknown[] = [];
  let good = 0;
  const stop = new AbortController();
  const client = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const answer = await askHttp(balancer.port, '/').catch((error: unknown) => ({ status: 0, body: String(error) }));
      if (answer.status === 200) good += 1;
      else bad.push(answer);
    }
  };
  const clients = Array.from({ length: 16 }, client);
  for (const target of targets.slice(0, 2)) {
    const before = good;
    await until(() => good > before + 50, 'requests are served');
    await target.kill();
    const then = good;
    await until(() => good > then + 100, 'requests are served by others');
    await target.revive();
  }
  const { requests } = targets[0] as { requests: number };
  await until(() => (targets[0]?.requests ?? 0) > requests + 20, 'the first serves again');
  stop.abort();
  await Promise.all(clients);
  t.deepEqual(bad, []);
  t.true(balancer.stats().servers.some(({ failed }) => failed > 0));
  for (const target of targets) await target.kill();
});

test('a GET that was sent in vain is tried at another server, a POST is not', async (t) => {
  let lost = 0;
  await using bad = await startHttp((asked) => {
    lost += 1;
    asked.socket.resetAndDestroy();
  });
  await using good = await startHttp('good');
  await using balancer = await startBalancer([bad, good], { health: NEVER });
  const closed = nextEvent<RequestClosedEvent>(balancer, 'requestClosed', ({ method }) => method === 'GET');
  t.is((await askHttp(balancer.port, '/')).body, 'good');
  const { retries, end, error } = await closed;
  t.deepEqual([retries, end, lost, error instanceof Error], [1, 'answered', 1, true]);
  // In its turn again.
  t.is((await askHttp(balancer.port, '/')).body, 'good');
  const { status, body } = await askHttp(balancer.port, '/', { method: 'POST', headers: { 'content-length': 0 } });
  t.is(status, 502);
  t.is(body, '502 Bad Gateway: the server broke off before it answered\n');
  t.is(balancer.stats().requests.retries, 2);
});

test('a PUT that was sent in vain is tried at another server with its body, if that had come whole', async (t) => {
  await using bad = await startHttp((asked) => void asked.once('data', () => asked.socket.resetAndDestroy()));
  await using good = await startHttp((asked, response) => void asked.pipe(response));
  await using balancer = await startBalancer([bad, good], { health: NEVER });
  using whole = sayTo(balancer.port, ['PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody']);
  await whole.answered('body');
  t.is(balancer.stats().requests.retries, 1);
  // The first one's turn again.
  using cut = sayTo(balancer.port, ['PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nbody']);
  await cut.answered('502 Bad Gateway');
  t.is(balancer.stats().requests.retries, 1);
});

test('a POST goes to another server when nobody has had anything of it, with its body', async (t) => {
  const gone = await startTarget(() => {});
  await using good = await startHttp((asked, response) => void asked.pipe(response));
  await using balancer = await startBalancer([gone, good], { health: NEVER });
  await goAway(gone);
  const asked = request({ host: '127.0.0.1', port: balancer.port, method: 'POST', agent: false });
  asked.end('the body');
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  t.is(response.statusCode, 200);
  t.is((await response.toArray()).join(''), 'the body');
  t.is(balancer.stats().requests.retries, 1);
});

test('with one server alone a GET is tried there again, for what it was sent on was old', async (t) => {
  let first = true;
  await using target = await startHttp((asked, response) => {
    if (first) asked.socket.resetAndDestroy();
    else response.end('again');
    first = false;
  });
  await using balancer = await startBalancer([target], { health: NEVER });
  t.is((await askHttp(balancer.port, '/')).body, 'again');
});

test('it is tried so often and no more', async (t) => {
  let lost = 0;
  await using target = await startHttp((asked) => {
    lost += 1;
    asked.socket.resetAndDestroy();
  });
  await using balancer = await startBalancer([target], { health: NEVER, retries: 3 });
  t.is((await askHttp(balancer.port, '/')).status, 502);
  t.is(lost, 4);
});

for (const kind of ['with its length', 'in chunks', 'to an HTTP/1.0 client'] as const) {
  test(`an answer ${kind} that a server breaks off is never taken for a whole one`, async (t) => {
    let reset = (): void => {};
    await using target = await startTarget((socket) => {
      const length = kind === 'with its length' ? 'Content-Length: 100' : 'Transfer-Encoding: chunked';
      const body = kind === 'with its length' ? 'half' : '4\r\nhalf\r\n';
      socket.once('data', () => void socket.write(`HTTP/1.1 200 OK\r\n${length}\r\n\r\n${body}`));
      reset = () => void socket.resetAndDestroy();
    });
    await using balancer = await startBalancer([target], { health: NEVER });
    const version = kind === 'to an HTTP/1.0 client' ? '1.0' : '1.1';
    using visitor = sayTo(balancer.port, [`GET / HTTP/${version}\r\nHost: a\r\n\r\n`]);
    await visitor.answered('half');
    reset();
    t.is((await visitor.fate).end, 'ECONNRESET');
    t.is(balancer.stats().requests.closed.broken, 1);
  });
}

test('an answer that says two lengths is none', async (t) => {
  await using target = await startTarget((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    });
  });
  await using balancer = await startBalancer([target], { health: NEVER });
  t.is((await askHttp(balancer.port, '/')).status, 502);
});

test('an answer in a coding that cannot be passed on is none', async (t) => {
  await using target = await startTarget((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    });
  });
  await using balancer = await startBalancer([target], { health: NEVER });
  t.is((await askHttp(balancer.port, '/')).status, 502);
  t.is(balancer.stats().servers[0]?.inUse, 0);
});

test('a client who hangs up takes its request along', async (t) => {
  let asked: IncomingMessage | undefined;
  await using target = await startHttp((one) => void (asked = one));
  await using balancer = await startBalancer([target]);
  const visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  await until(() => asked !== undefined, 'the request is there');
  visitor.socket.destroy();
  await until(() => asked?.destroyed === true, 'it is broken off');
  await until(() => balancer.stats().requests.closed['client-left'] === 1, 'it is counted');
  t.is(balancer.stats().servers[0]?.inUse, 0);
});

test('a client who hangs up in its body takes its request along', async (t) => {
  let asked: IncomingMessage | undefined;
  await using target = await startHttp((one) => void (asked = one.on('error', () => {}).resume()));
  await using balancer = await startBalancer([target]);
  const visitor = sayTo(balancer.port, ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n', 'half']);
  await until(() => asked !== undefined, 'the request is there');
  visitor.socket.destroy();
  await until(() => asked?.destroyed === true, 'it is broken off');
  t.false(asked?.complete);
  await until(() => balancer.stats().requests.on === 0, 'it is over');
});

test('a client who resets its connection while its request waits for another server leaves nothing behind', async (t) => {
  const gone = await startTarget(() => {});
  await using target = await startHttp(() => {});
  await using balancer = await startBalancer([target, gone], { health: NEVER, maxConnections: 1 });
  await goAway(gone);
  using first = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  await until(() => target.requests === 1, 'the one that can be reached is full');
  using second = sayTo(balancer.port, ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n']);
  await until(() => balancer.stats().servers[1]?.failed === 1, 'the other one was tried');
  t.is(balancer.stats().requests.waiting, 1);
  second.socket.resetAndDestroy();
  await until(() => balancer.stats().requests.on === 1, 'the second is over');
  t.is(balancer.stats().requests.waiting, 0);
  t.is(first.socket.destroyed, false);
});

test('a request that waits for a server that has not failed it holds up nobody behind it', async (t) => {
  const held: (() => void)[] = [];
  let isFirst = true;
  await using failing = await startHttp(({ socket }, response) => {
    if (isFirst) socket.resetAndDestroy();
    else response.end('served');
    isFirst = false;
  });
  await using full = await startHttp((_, response) => void held.push(() => response.end('at last')));
  await using balancer = await startBalancer([full, failing], { health: NEVER, maxConnections: 1 });
  const holding = askHttp(balancer.port, '/');
  await until(() => held.length === 1, 'one is full');
  const retried = askHttp(balancer.port, '/');
  await until(() => balancer.stats().requests.waiting === 1, 'it waits for the full one');
  t.is((await askHttp(balancer.port, '/')).body, 'served');
  const waiting = [askHttp(balancer.port, '/'), askHttp(balancer.port, '/'), askHttp(balancer.port, '/')];
  t.deepEqual(
    (await Promise.all(waiting)).map(({ body }) => body),
    ['served', 'served', 'served'],
  );
  t.is(balancer.stats().requests.waiting, 1);
  held[0]?.();
  await until(() => held.length === 2, 'its turn has come');
  held[1]?.();
  t.is((await retried).body, 'at last');
  await holding;
});

test('whoever leaves while a server is being connected frees its place, and asks nothing of it', async (t) => {
  await using silent = await startSilentTarget();
  await using balancer = await startBalancer([silent], { health: NEVER, maxConnections: 1, connectTimeoutMs: 60_000 });
  for (let at = 0; at < 3; at += 1) {
    const visitor = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
    await until(() => balancer.stats().servers[0]?.inUse === 1, 'it has the place');
    visitor.socket.destroy();
    await until(() => balancer.stats().servers[0]?.inUse === 0, 'the place is free');
  }
  t.like(balancer.stats().requests, { on: 0, waiting: 0, closed: { 'client-left': 3 } });
});

test('who finds all servers full waits its turn, and not for ever', async (t) => {
  const time = manualClock();
  const waiting: (() => void)[] = [];
  await using target = await startHttp((_, response) => void waiting.push(() => response.end('served')));
  await using balancer = await startBalancer([target], {
    maxConnections: 1,
    maxWaiting: 2,
    waitMs: 1000,
    clock: time.clock,
  });
  const first = askHttp(balancer.port, '/');
  await until(() => waiting.length === 1, 'the first is there');
  const second = askHttp(balancer.port, '/');
  await until(() => balancer.stats().requests.waiting === 1, 'the second waits');
  const left = sayTo(balancer.port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  await until(() => balancer.stats().requests.waiting === 2, 'the third waits');
  t.is((await askHttp(balancer.port, '/')).status, 503);
  left.socket.destroy();
  await until(() => balancer.stats().requests.waiting === 1, 'the third has left');
  waiting[0]?.();
  t.is((await first).body, 'served');
  await until(() => waiting.length === 2, 'the second is there');
  const asked = askHttp(balancer.port, '/');
  await until(() => balancer.stats().requests.waiting === 1, 'another one waits');
  await time.advance(1000);
  const late = await asked;
  t.deepEqual([late.status, late.body], [503, '503 Service Unavailable: no server had room in time\n']);
  waiting[1]?.();
  t.is((await second).body, 'served');
});

test('who waits its turn for longer than anybody may be silent is served all the same', async (t) => {
  let said = 0;
  let end: (() => void) | undefined;
  await using target = await startHttp((asked, response) => {
    const talk = asked.url === '/long' && setInterval(() => response.write(String((said += 1))), 100);
    if (talk === false) response.end('served');
    else end = () => response.end(() => clearInterval(talk));
  });
  const limits = { timeoutMs: 300, headerTimeoutMs: 1, waitMs: 60_000 };
  await using balancer = await startBalancer([target], { maxConnections: 1, ...limits });
  const first = askHttp(balancer.port, '/long');
  await until(() => said > 0, 'the first is there');
  const second = askHttp(balancer.port, '/');
  await until(() => said > 25, 'the second has waited for long');
  end?.();
  await first;
  t.is((await second).body, 'served');
});

test('a server that says nothing is given up in time', async (t) => {
  await using target = await startTarget((socket) => void socket.resume());
  await using balancer = await startBalancer([target], { timeoutMs: 300, health: NEVER });
  const { status, body } = await askHttp(balancer.port, '/');
  t.deepEqual([status, body], [504, '504 Gateway Timeout: the server has not answered in time\n']);
});

test('when no server can be reached, that is said, and each was tried', async (t) => {
  const gone = await Promise.all(Array.from({ length: 3 }, async () => ({ port: await freePort() })));
  await using balancer = await startBalancer(gone, { health: NEVER });
  const { status, body } = await askHttp(balancer.port, '/');
  t.deepEqual([status, body], [502, '502 Bad Gateway: no server can be reached\n']);
  t.deepEqual(
    balancer.stats().servers.map(({ failed }) => failed),
    [1, 1, 1],
  );
});

test('an address that is taken is said to be', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  await t.throwsAsync(startBalancer([{ port: 1 }], { listen: `127.0.0.1:${port}` }), { code: 'POOLD_ERR_DIAL' });
  taken.close();
});
