import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { ClientPoolOptions } from '../../src/client/client-pool-options.ts';
import { Breaker } from '../../src/shared/resilience/breaker.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { ConnectionClosedEvent, DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { fingerprintOf } from '../../src/shared/tls/fingerprint.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN, tlsOptions } from '../helpers/pair.ts';
import { freePort } from '../helpers/targets.ts';
import { VisitLog } from '../helpers/visit-log.ts';

const LISTEN = '127.0.0.1:0';

/** Dials, and returns the first failure. */
async function failureOf(options: ClientPoolOptions<true>): Promise<DialFailedEvent> {
  await using client = new ClientPool({ minCapacity: 1, ...options });
  const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
  await client.start();
  return await failed;
}

test('a tag from a plain TLS server is read exactly; the bytes behind it go to whoever gets the connection by its ID', async (t) => {
  const { localhost } = await testCertificates();
  const server = createTlsServer(localhost, (socket) => {
    socket.on('error', () => {});
    socket.write('abcd-_12and the first bytes of a visitor');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  {
    await using client = new ClientPool({
      dial: { host: '127.0.0.1', port },
      session: false,
      minCapacity: 1,
      maxCapacity: 1,
    });
    await client.start();
    const lease = await client.get('abcd-_12');
    t.is(client.tryAcquire(), undefined, 'acquire passes over a connection that its peer has taken');
    const { socket } = lease.connection;
    let text = '';
    socket.on('data', (data: Buffer) => (text += String(data)));
    await until(() => text === 'and the first bytes of a visitor', 'the bytes behind the tag are here');
    lease.destroy();
  }
  server.close();
});

test('case 6: a wrong token, and none where one is due, are refused with clear words', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN });
  await server.start();
  for (const options of [{ token: 'another token, long enough' }, {}]) {
    const { error } = await failureOf({ dial: server.address ?? '', ...options });
    t.is(error.code, 'POOLD_ERR_REJECTED');
    t.regex(error.message, /token is wrong/);
  }
  t.is(server.size, 0);
  t.is(server.stats().failedGreetings, 2);
});

test('a tunnel that the server does not have is refused by name', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN });
  await server.start();
  const { error } = await failureOf({ dial: server.address ?? '', token: TOKEN, tunnel: 'elsewhere' });
  t.is(error.code, 'POOLD_ERR_REJECTED');
  t.regex(error.message, /elsewhere/);
});

test('the pinned fingerprint is checked on the first dial and on every other', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN });
  await server.start();
  const dial = server.address ?? '';
  await using client = new ClientPool({
    dial,
    token: TOKEN,
    minCapacity: 2,
    maxConnecting: 1,
    tls: { mode: 1, fingerprint: server.fingerprint ?? '' },
  });
  await client.start();
  await client.warmed(2);
  await using wrong = new ClientPool({
    dial,
    token: TOKEN,
    minCapacity: 2,
    tls: { mode: 1, fingerprint: fingerprintOf(Buffer.from('not it')) },
  });
  const codes: string[] = [];
  wrong.on('dialFailed', ({ error }) => codes.push(error.code));
  await wrong.start();
  await until(() => codes.length >= 3, 'three dials have failed');
  t.deepEqual([...new Set(codes)], ['POOLD_ERR_FINGERPRINT']);
  t.is(wrong.size - wrong.connecting, 0);
});

test('in mode 2 a wrong host name, an expired certificate and a strange authority are refused', async (t) => {
  const { authority, stranger, expired, elsewhere, localhost } = await testCertificates();
  const refusal = async (certificate: { cert: string; key: string }, ca: string): Promise<string> => {
    const server = createTlsServer(certificate).on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const dial = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const { error, stage } = await failureOf({ dial, token: TOKEN, tls: { mode: 2, ca, hostname: 'localhost' } });
    server.close();
    t.is(stage, 'tls');
    return (error.cause as NodeJS.ErrnoException).code ?? '';
  };
  t.is(await refusal(elsewhere, authority.cert), 'ERR_TLS_CERT_ALTNAME_INVALID');
  t.is(await refusal(expired, authority.cert), 'CERT_HAS_EXPIRED');
  t.regex(await refusal(localhost, stranger.cert), /UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|SELF_SIGNED/);
});

test('a server that is not there is tried again, with growing pauses, until it is', async (t) => {
  await using probe = new ServerPool({ listen: LISTEN, token: TOKEN });
  await probe.start();
  const dial = probe.address ?? '';
  await probe.close();
  await using client = new ClientPool({ dial, token: TOKEN, minCapacity: 4 });
  const attempts: number[] = [];
  client.on('dialFailed', ({ attempt, stage }) => {
    attempts.push(attempt);
    t.is(stage, 'connect');
  });
  await client.start();
  await until(() => (attempts.at(-1) ?? 0) >= 2, 'it has tried twice');
  await using server = new ServerPool({ listen: dial, token: TOKEN });
  await server.start();
  await client.warmed(4);
  t.is(server.size, 4);
});

test('a breaker counts failed dials; an open one holds back the next, but never those to the only server', async (t) => {
  const dial = `127.0.0.1:${await freePort()}`;
  const retries: Record<string, number[]> = { alone: [], 'one of two': [] };
  for (const [name, seen] of Object.entries(retries)) {
    const breaker = new Breaker({ failures: 2, openMs: 60_000, maxOpenMs: 60_000 });
    const pool = new ClientPool({ dial, token: TOKEN, breaker, alone: () => name === 'alone' });
    pool.on('dialFailed', ({ retryInMs }) => seen.push(retryInMs));
    await pool.start();
    await until(() => breaker.state === 'open' && seen.length > 0, 'the circuit is open');
    pool.destroy();
  }
  t.true((retries['alone']?.at(-1) ?? Infinity) <= 1000);
  t.true((retries['one of two']?.at(-1) ?? 0) > 50_000);
});

test('a dial that succeeds closes the circuit', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN });
  await server.start();
  const breaker = new Breaker({ failures: 1, openMs: 1 });
  breaker.failed();
  await until(() => breaker.state === 'half-open', 'the pause is over');
  await using client = new ClientPool({ dial: server.address ?? '', token: TOKEN, breaker });
  await client.start();
  await client.warmed(1);
  t.is(breaker.state, 'closed');
});

test('the pause after a failed dial begins before its room is free for another', async (t) => {
  const time = manualClock();
  let calls = 0;
  await using client = new ClientPool({
    dial: () => Promise.reject(new Error(`no way, ${(calls += 1)} times`)),
    token: TOKEN,
    minCapacity: 4,
    clock: time.clock,
    random: () => 0.5,
  });
  const retries: number[] = [];
  client.on('dialFailed', ({ retryInMs }) => retries.push(retryInMs));
  await client.start();
  await until(() => retries.length >= 4, 'all four have failed');
  t.is(calls, 4);
  await time.advance(retries[0] ?? 0);
  t.is(calls, 5);
});

test('a function that throws instead of rejecting is a failed dial', async (t) => {
  const { error, stage } = await failureOf({
    dial: () => {
      throw new Error('no proxy is set');
    },
    token: TOKEN,
  });
  t.is(stage, 'connect');
  t.regex(error.message, /no proxy is set/);
});

test('dials run in parallel, and one that hangs holds up no other', async (t) => {
  const { localhost } = await testCertificates();
  let dials = 0;
  const server = createTlsServer(localhost, (socket) => {
    socket.on('error', () => {});
    dials += 1;
    if (dials > 1) socket.write(String(dials).padStart(8, '0'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  {
    const dial = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    await using client = new ClientPool({ dial, session: false, minCapacity: 6, maxConnecting: 3 });
    await client.start();
    await client.warmed(5);
    t.is(client.connecting, 1, 'the one without a tag is still under way');
  }
  server.close();
});

test('a function may connect by other means; TLS and the rest come on top', async (t) => {
  const { connect } = await import('node:net');
  const tls = await tlsOptions(2);
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN, tls: tls.server });
  await server.start();
  let calls = 0;
  await using client = new ClientPool({
    dial: async () => {
      calls += 1;
      const socket = connect({ ...server.address, port: server.address?.port ?? 0, allowHalfOpen: true });
      await once(socket, 'connect');
      return socket;
    },
    token: TOKEN,
    tls: tls.client,
    minCapacity: 2,
  });
  await client.start();
  await client.warmed(2);
  t.is(calls, 2);
});

test('in mode 0 the way may be a TLS connection that the server knows nothing of', async (t) => {
  const { localhost, authority } = await testCertificates();
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode: 0 } });
  await server.start();
  const to = { ...server.address, port: server.address?.port ?? 0 };
  const gate = createTlsServer({ ...localhost, allowHalfOpen: true }, (outer) => {
    const inner = connectTcp({ ...to, allowHalfOpen: true });
    outer.on('error', () => inner.destroy()).on('close', () => inner.destroy());
    inner.on('error', () => outer.destroy()).on('close', () => outer.destroy());
    outer.pipe(inner).pipe(outer);
  }).listen(0, '127.0.0.1');
  t.teardown(() => void gate.close());
  await once(gate, 'listening');
  const { port } = gate.address() as AddressInfo;
  await using client = new ClientPool({
    dial: async () => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert });
      await once(socket, 'secureConnect');
      return socket;
    },
    token: TOKEN,
    tls: { mode: 0 },
    minCapacity: 2,
  });
  await client.start();
  await client.warmed(2);
  t.is(client.errorCount, 0);
});

test('a client whose server goes and comes back is warm again', async (t) => {
  const server = new ServerPool({ listen: LISTEN, token: TOKEN });
  await server.start();
  const listen = server.address ?? '';
  await using client = new ClientPool({ dial: listen, token: TOKEN, minCapacity: 3 });
  await client.start();
  await client.warmed(3);
  server.destroy();
  await until(() => client.idle === 0, 'the connections are gone');
  await using again = new ServerPool({ listen, token: TOKEN });
  await again.start();
  await Promise.all([client.warmed(3), again.warmed(3)]);
  t.is(again.size, 3);
});

test('a server that closes what it has just welcomed is tried later and later', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode: 0 } });
  let welcomes = 0;
  server.on('connectionReady', () => {
    welcomes += 1;
    server.flush();
  });
  await server.start();
  await using client = new ClientPool({
    dial: server.address ?? '',
    token: TOKEN,
    tls: { mode: 0 },
    minCapacity: 4,
    maxConnecting: 4,
  });
  const attempts: number[] = [];
  client.on('dialFailed', ({ attempt, stage }) => {
    attempts.push(attempt);
    t.is(stage, 'greeting');
  });
  await client.start();
  await until(() => (attempts.at(-1) ?? 0) >= 3, 'it has been tried again three times');
  t.true(welcomes < 20, `${welcomes} dials`);
});

test('case 28: a connection that ends young in a visit is no failed dial', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode: 0 } });
  await server.start();
  await using client = new ClientPool({ dial: server.address ?? '', token: TOKEN, tls: { mode: 0 }, minCapacity: 1 });
  let failed = 0;
  client.on('dialFailed', () => (failed += 1));
  client.onVisit = (visit) => visit.accept();
  await client.start();
  for (let broken = 1; broken <= 4; broken += 1) {
    const visit = await server.openVisit({ remote: '192.0.2.1:5000', local: '127.0.0.1:80' });
    const opened = new VisitLog(visit);
    await until(() => opened.heard.includes('opened'), 'the client has accepted');
    const closed = nextEvent<ConnectionClosedEvent>(client, 'connectionClosed');
    visit.abandon();
    t.true(['peer-closed', 'error'].includes((await closed).reason));
  }
  t.is(failed, 0);
});

test('a raw connection that ends young, unused and unclaimed, counts as a failed dial; one that was used does not', async (t) => {
  let tags = 0;
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.resetAndDestroy());
    tags += 1;
    if (tags <= 3) socket.end(`unused0${tags}`);
    else if (tags === 4) socket.end('claimed1 and the first bytes');
    else socket.write('used0001');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  {
    const dial = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    await using client = new ClientPool({ dial, session: false, tls: { mode: 0 }, minCapacity: 1, maxCapacity: 1 });
    const attempts: number[] = [];
    client.on('dialFailed', ({ attempt, stage }) => {
      attempts.push(attempt);
      t.is(stage, 'tag');
    });
    await client.start();
    const claimed = await client.get('claimed1');
    claimed.destroy();
    const used = await client.acquire();
    used.connection.socket.write('enough');
    await until(() => used.connection.closed, 'the server has broken it off');
    t.deepEqual(attempts, [1, 2, 3]);
  }
  server.close();
});

test('two clients of one tunnel are two groups', async (t) => {
  await using server = new ServerPool({ listen: LISTEN, token: TOKEN });
  await server.start();
  const options = { dial: server.address ?? '', token: TOKEN, minCapacity: 2 };
  await using one = new ClientPool(options);
  await using two = new ClientPool(options);
  await Promise.all([one.start(), two.start()]);
  await server.warmed(4);
  t.deepEqual(server.groups.map(({ name }) => name).toSorted(), [one.client, two.client].toSorted());
  t.is(server.tryAcquire({ notGroup: one.client })?.group, two.client);
});

test('options that make no sense are refused by name', (t) => {
  const option = (options: object): string | undefined =>
    t
      .throws(() => new ClientPool({ dial: '127.0.0.1:1', ...options }), { code: 'POOLD_ERR_INVALID_OPTION' })
      ?.message.split(':')[0];
  t.is(option({ dial: 'nowhere' }), 'dial');
  t.is(option({ dial: undefined }), 'dial');
  t.is(option({ dial: {} }), 'dial');
  t.is(option({ dial: { host: 'localhost', port: 70_000 } }), 'dial');
  t.is(option({ dial: { host: '', port: 7000 } }), 'dial');
  t.is(option({ session: false, token: TOKEN }), 'token');
  t.is(option({ minCapacity: 9, maxCapacity: 8 }), 'minCapacity');
  t.is(option({ minIntervalMs: 200, maxIntervalMs: 100 }), 'minIntervalMs');
  t.is(option({ minCapacity: -1 }), 'minCapacity');
  t.is(option({ keepAliveMs: 'often' }), 'keepAliveMs');
  t.is(option({ maxConnecting: 1.5 }), 'maxConnecting');
  t.is(option({ tls: { mode: 0, fingerprint: 'ab' } }), 'tls.fingerprint');
  t.is(option({ token: '' }), 'token');
  t.is(option({ dial: '192.0.2.1:7000' }), 'token');
  t.is(option({ minimumCapacity: 3 }), 'minimumCapacity');
});
