/** Tokens with names, ends and tunnels, and what can be replaced at a server pool's door while it runs. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { inspect } from 'node:util';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { TlsRenewal } from '../../src/server/door.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { ConnectionReadyEvent, DialFailedEvent, HandshakeFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { fingerprintOf } from '../../src/shared/tls/fingerprint.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN, tlsOptions } from '../helpers/pair.ts';

const LISTEN = '127.0.0.1:0';
const OTHER = 'another token, long enough';

async function enter(pool: ServerPool, token: string): Promise<ClientPool> {
  const client = new ClientPool({ dial: pool.address ?? '', token, minCapacity: 1, maxCapacity: 1 });
  await client.start();
  return client;
}

/** Whether a client with this token gets in. */
async function getsIn(pool: ServerPool, token: string): Promise<boolean> {
  await using client = await enter(pool, token);
  const refused = nextEvent<DialFailedEvent>(client, 'dialFailed');
  return await Promise.race([client.warmed(1).then(() => true), refused.then(() => false)]);
}

/** The fingerprint of the certificate that newcomers see. */
async function shownBy(pool: ServerPool): Promise<string> {
  const socket = connectTls({ ...pool.address, rejectUnauthorized: false }).on('error', () => {});
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprintOf(raw);
}

test('case 19: the name of the token that let a client in is told, the token never', async (t) => {
  const told: string[] = [];
  const tokens = [
    { token: TOKEN, name: 'alice' },
    { token: OTHER, name: 'bob', tunnels: ['elsewhere'] },
  ];
  await using pool = new ServerPool({ listen: LISTEN, token: tokens });
  for (const event of ['connectionReady', 'handshakeFailed'] as const) {
    pool.on(event, (message: object) => told.push(inspect(message, { depth: 9 })));
  }
  await pool.start();
  const ready = nextEvent<ConnectionReadyEvent>(pool, 'connectionReady');
  await using client = await enter(pool, TOKEN);
  t.is((await ready).token, 'alice');
  t.is(pool.tryAcquire({})?.connection.greeted.token, 'alice');
  t.false(await getsIn(pool, OTHER));
  t.true(told.length >= 2);
  t.false(told.some((text) => text.includes(TOKEN) || text.includes(OTHER)));
  t.true(client.ready);
});

test('at its end a token lets nobody in, idle connections that came with it leave, and visits go on', async (t) => {
  const time = manualClock();
  const token = [{ token: TOKEN, name: 'alice', expires: new Date(60_000) }, { token: OTHER }];
  await using pool = new ServerPool({ listen: LISTEN, token, clock: time.clock, keepAliveMs: 0 });
  await pool.start();
  const dial = pool.address ?? '';
  await using client = new ClientPool({ dial, token: TOKEN, minCapacity: 2, maxCapacity: 2, onVisit: () => {} });
  await client.start();
  await pool.warmed(2);
  await using other = await enter(pool, OTHER);
  await pool.warmed(3);
  const visit = pool.tryOpenVisit({ remote: 'unix', local: 'unix' });
  const refused = nextEvent<HandshakeFailedEvent>(pool, 'handshakeFailed');
  await time.advance(59_000);
  t.is(pool.size, 3);
  await time.advance(2000);
  const { error } = await refused;
  t.is(error.code, 'POOLD_ERR_TOKEN_EXPIRED');
  t.regex(error.message, /alice/);
  t.is(pool.size, 2);
  t.false(visit?.over);
  visit?.abandon();
  await until(() => pool.size === 1, 'only the other token’s is left');
  t.is(other.idle, 1);
});

test('tokens are replaced for who comes from now on; two are valid at once in between', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  await pool.start();
  await using client = await enter(pool, TOKEN);
  await client.warmed(1);
  t.false(await getsIn(pool, OTHER));
  await pool.setTokens([TOKEN, OTHER]);
  t.deepEqual([await getsIn(pool, TOKEN), await getsIn(pool, OTHER)], [true, true]);
  await pool.setTokens([{ token: OTHER, name: 'new' }]);
  t.deepEqual([await getsIn(pool, TOKEN), await getsIn(pool, OTHER)], [false, true]);
  t.is(client.idle, 1, 'who is in stays');
  for (const wrong of ['', [], [{ token: OTHER, expires: 'some day' }], 5]) {
    await t.throwsAsync(pool.setTokens(wrong as never), { code: 'POOLD_ERR_INVALID_OPTION' });
  }
  t.true(await getsIn(pool, OTHER), 'what is wrong has changed nothing');
});

test('case 6: where there was a token, there is one for ever', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  const none = () => t.throwsAsync(pool.setTokens(undefined), { message: /^token: .*give at least one/ });
  await none();
  await pool.start();
  await none();
  const { port = 0 } = pool.address ?? {};
  await using client = new ClientPool({ dial: { host: '127.0.0.1', port }, minCapacity: 1, maxCapacity: 1 });
  await client.start();
  await nextEvent<DialFailedEvent>(client, 'dialFailed');
  t.is(pool.size, 0);
  await using open = new ServerPool({ listen: LISTEN });
  await open.setTokens(undefined);
  await open.setTokens(TOKEN);
  await t.throwsAsync(open.setTokens(undefined), { code: 'POOLD_ERR_INVALID_OPTION' });
});

/** A server of the caller's that listens there; nowhere yet without a place. */
async function listener(t: { teardown(end: () => void): void }, where?: object): Promise<Server> {
  const server = createServer({ allowHalfOpen: true });
  t.teardown(() => server.close());
  if (where !== undefined) await once(server.listen(where), 'listening');
  return server;
}

test('case 6: a server of the caller’s is judged by where it listens when the pool starts', async (t) => {
  const path = join(await mkdtemp(join(tmpdir(), 'poold-')), 'socket');
  t.teardown(() => rm(dirname(path), { recursive: true }));
  for (const [where, token, problem] of [
    [{ host: '127.0.0.1', port: 0 }, undefined, undefined],
    [{ host: '127.0.0.1', port: 0 }, 'short', undefined],
    [{ path }, undefined, undefined],
    [{ host: '0.0.0.0', port: 0 }, undefined, /^token: is missing, and the address is not a loopback one/],
    [{ host: '0.0.0.0', port: 0 }, 'short', /^token: wants at least 16/],
    [{ host: '0.0.0.0', port: 0 }, TOKEN, undefined],
    [undefined, undefined, /^token: is missing, and nobody knows where `server` will listen/],
    [undefined, TOKEN, undefined],
  ] as const) {
    await using pool = new ServerPool({ server: await listener(t, where), ...(token === undefined ? {} : { token }) });
    if (problem === undefined) await t.notThrowsAsync(pool.start());
    else await t.throwsAsync(pool.start(), { code: 'POOLD_ERR_INVALID_OPTION', message: problem });
  }
  await using raw = new ServerPool({ server: await listener(t), session: false });
  await t.notThrowsAsync(raw.start(), 'raw connections know no token');
  await using late = new ServerPool({ server: await listener(t) });
  await late.setTokens(TOKEN);
  await t.notThrowsAsync(late.start(), 'what counts is the token that was given last');
});

test('tokens that let nobody in are a fault at the start, and when they are replaced', async (t) => {
  const told: string[] = [];
  await using pool = new ServerPool({ listen: LISTEN, token: [{ token: TOKEN, expires: '2020-02-29' }] });
  pool.on('fault', ({ error }) => told.push(`${error.code} ${error.message}`));
  await pool.start();
  t.is(told.length, 1);
  t.regex(told[0] ?? '', /^POOLD_ERR_INVALID_OPTION token: has expired/);
  await pool.setTokens([{ token: TOKEN, tunnels: ['elsewhere'] }]);
  t.regex(told[1] ?? '', /opens other tunnels only.* default/);
  await pool.setTokens([{ token: TOKEN, tunnels: ['elsewhere', 'default'] }]);
  t.is(told.length, 2);
});

test('of changes that are made at once the last counts, before the start too', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  const early = pool.setTokens('one that nobody has');
  await Promise.all([pool.start(), pool.setTokens([OTHER, TOKEN]), pool.setTokens(OTHER), early]);
  t.deepEqual([await getsIn(pool, OTHER), await getsIn(pool, TOKEN)], [true, false]);
});

test('the allow list is replaced for who comes from now on', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  await pool.start();
  await using client = await enter(pool, TOKEN);
  await client.warmed(1);
  pool.setAllow(['10.0.0.0/8']);
  t.false(await getsIn(pool, TOKEN));
  t.is(client.idle, 1, 'who is in stays');
  for (const wrong of [['10.0.0.0/99'], '127.0.0.1', [7]]) {
    t.throws(() => pool.setAllow(wrong as never), { code: 'POOLD_ERR_INVALID_OPTION' });
  }
  t.false(await getsIn(pool, TOKEN), 'what is wrong has changed nothing');
  pool.setAllow(['127.0.0.0/8']);
  t.true(await getsIn(pool, TOKEN));
});

test('case 20: a certificate that is no good changes nothing, a good one is shown to who comes from now on', async (t) => {
  const { authority, expired, elsewhere, localhost } = await testCertificates();
  const { server: tls } = await tlsOptions(2);
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, tls });
  await pool.start();
  const before = await shownBy(pool);
  await using client = await enter(pool, TOKEN);
  await client.warmed(1);
  for (const [wrong, option] of [
    [{ cert: 'no certificate', key: localhost.key }, 'tls.cert'],
    [{ cert: elsewhere.cert }, 'tls.key'],
    [{ cert: elsewhere.cert, key: 'no key' }, 'tls.key'],
    [expired, 'tls.cert'],
    [{ ...elsewhere, clientCa: 'no certificate' }, 'tls.clientCa'],
    [{ ...elsewhere, mode: 0 }, 'tls.mode'],
  ] as const) {
    const error = await t.throwsAsync(pool.setTls(wrong as TlsRenewal), { code: 'POOLD_ERR_INVALID_OPTION' });
    t.is(error?.message.split(':')[0], option);
  }
  t.deepEqual([await shownBy(pool), pool.fingerprint], [before, before]);
  await pool.setTls(elsewhere);
  t.not(pool.fingerprint, before);
  t.is(await shownBy(pool), pool.fingerprint ?? '');
  t.is(client.idle, 1, 'who is in stays');
  // Other authorities for clients: none of the ones below has a certificate. Left out or undefined, they stay.
  await pool.setTls({ clientCa: authority.cert });
  await pool.setTls({ ...localhost, clientCa: undefined } as never);
  t.false(await getsIn(pool, TOKEN));
});

test('a server that makes its certificate by itself keeps it', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  await pool.start();
  const before = pool.fingerprint;
  await pool.setTls({});
  t.is(pool.fingerprint, before);
  const { localhost } = await testCertificates();
  await pool.setTls(localhost);
  t.is(await shownBy(pool), fingerprintOf(Buffer.from(pemBody(localhost.cert), 'base64')));
  await using plain = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode: 0 } });
  await t.throwsAsync(plain.setTls(localhost), { message: /^tls.cert: has no effect in mode 0/ });
});

function pemBody(pem: string): string {
  return pem.replaceAll(/-----[A-Z ]+-----|\s/g, '');
}

test('a client proves another token from the next dial on, at once when it was refused', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  await pool.start();
  await using client = await enter(pool, OTHER);
  await nextEvent<DialFailedEvent>(client, 'dialFailed', ({ attempt }) => attempt >= 3);
  await t.throwsAsync(client.setToken(''), { code: 'POOLD_ERR_INVALID_OPTION' });
  await client.setToken(TOKEN);
  await client.warmed(1);
  const { errorCount } = client;
  await client.setToken(OTHER);
  t.is(client.idle, 1, 'what is connected stays');
  client.flush();
  await until(() => client.errorCount > errorCount, 'the next dial is refused');
  await using early = new ClientPool({ dial: pool.address ?? '', token: OTHER, minCapacity: 1 });
  await Promise.all([early.start(), early.setToken(TOKEN)]);
  await early.warmed(1);
  t.is(early.errorCount, 0);
});
