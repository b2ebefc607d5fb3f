/** Tokens with names, ends and tunnels, and what can be replaced at a server pool's door while it runs. */
import { once } from 'node:events';
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

async function join(pool: ServerPool, token: string): Promise<ClientPool> {
  const client = new ClientPool({ dial: pool.address ?? '', token, minCapacity: 1, maxCapacity: 1 });
  await client.start();
  return client;
}

/** Whether a client with this token gets in. */
async function getsIn(pool: ServerPool, token: string): Promise<boolean> {
  await using client = await join(pool, token);
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
  await using client = await join(pool, TOKEN);
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
  await using other = await join(pool, OTHER);
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
  await using client = await join(pool, TOKEN);
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

test('of changes that are made at once the last counts, before the start too', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  const early = pool.setTokens('one that nobody has');
  await Promise.all([pool.start(), pool.setTokens([OTHER, TOKEN]), pool.setTokens(OTHER), early]);
  t.deepEqual([await getsIn(pool, OTHER), await getsIn(pool, TOKEN)], [true, false]);
});

test('the allow list is replaced for who comes from now on', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  await pool.start();
  await using client = await join(pool, TOKEN);
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
  await using client = await join(pool, TOKEN);
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
  await using client = await join(pool, OTHER);
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
