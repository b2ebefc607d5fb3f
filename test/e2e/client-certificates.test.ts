/** Mode 2 with `clientCa`: who gets in, who does not, and what each side says about it. Revoked certificates are not known. */
import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { RejectedError } from '../../src/shared/errors.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { DialFailedEvent, HandshakeFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { fingerprintOf } from '../../src/shared/tls/fingerprint.ts';
import { makeAuthority, makeLeaf, type TestCertificate, testCertificates } from '../helpers/certificates.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN } from '../helpers/pair.ts';

/** A server that wants certificates of the test authority. */
async function startServer(session = true): Promise<ServerPool> {
  const { authority, localhost } = await testCertificates();
  const tls = { mode: 2, ...localhost, clientCa: authority.cert } as const;
  const pool = new ServerPool({ listen: '127.0.0.1:0', session, tls, ...(session ? { token: TOKEN } : {}) });
  await pool.start();
  return pool;
}

async function clientOf(server: ServerPool, certificate: TestCertificate | undefined): Promise<ClientPool> {
  const { authority } = await testCertificates();
  const tls = { mode: 2, ca: authority.cert, hostname: 'localhost', ...certificate } as const;
  return new ClientPool({ dial: server.address ?? '', token: TOKEN, minCapacity: 1, tls });
}

/** A leaf of an authority that the root has signed, alone and with its chain. */
async function intermediate(): Promise<{ alone: TestCertificate; chained: TestCertificate }> {
  const { authority } = await testCertificates();
  const between = await makeAuthority('poold test intermediate', authority);
  const alone = await makeLeaf(between, ['client.example']);
  return { alone, chained: { cert: alone.cert + between.cert, key: alone.key } };
}

const good: Record<string, () => Promise<TestCertificate>> = {
  'a certificate of the authority': async () => (await testCertificates()).client,
  'a certificate for clients alone': async () =>
    makeLeaf((await testCertificates()).authority, ['client.example'], { uses: { clientAuth: true } }),
  'a certificate with its intermediate': async () => (await intermediate()).chained,
};

for (const [what, make] of Object.entries(good)) {
  test(`${what} is let in`, async (t) => {
    await using server = await startServer();
    await using client = await clientOf(server, await make());
    await client.start();
    await client.warmed(1);
    await server.warmed(1);
    t.is(server.errorCount, 0);
  });
}

/** A certificate that is turned away, and the words for it at both ends. */
interface Refused {
  readonly make: () => Promise<TestCertificate | undefined>;
  readonly server: RegExp;
  readonly client?: RegExp;
}

const refused: Record<string, Refused> = {
  'no certificate': {
    make: async () => undefined,
    server: /the client shows no certificate; start it with --cert and --key/,
    client: /the server wants a client certificate; give one with --cert and --key/,
  },
  'a certificate of another authority': {
    make: async () => makeLeaf((await testCertificates()).stranger, ['client.example']),
    server: /the client's certificate is not accepted: unable to/,
  },
  'a self-signed certificate': {
    make: () => makeLeaf(undefined, ['client.example']),
    server: /not accepted: self.signed certificate/,
  },
  'a certificate that is not valid yet': {
    make: async () => makeLeaf((await testCertificates()).authority, ['client.example'], { fromDays: 1 }),
    server: /not accepted: certificate is not yet valid/,
  },
  'a certificate whose intermediate is missing': {
    make: async () => (await intermediate()).alone,
    server: /not accepted: unable to/,
  },
};

for (const [what, { make, server: says, client: hears = says }] of Object.entries(refused)) {
  test(`${what} is turned away, and both sides say why`, async (t) => {
    await using server = await startServer();
    await using client = await clientOf(server, await make());
    const turned = nextEvent<HandshakeFailedEvent>(server, 'handshakeFailed');
    const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
    await client.start();
    const { error } = await turned;
    t.is(error.code, 'POOLD_ERR_DIAL');
    t.regex(error.message, says);
    const { error: heard } = await failed;
    t.is(heard.code, 'POOLD_ERR_REJECTED', heard.message);
    t.is((heard as RejectedError).reason, 'auth');
    t.regex(heard.message, hears);
    t.is(server.size, 0);
    t.false(client.welcomed);
  });
}

/** A client of another make, which does not judge its own certificate. */
function connectAnyhow(server: ServerPool, options: ConnectionOptions): TLSSocket {
  return connect({ ...server.address, rejectUnauthorized: false, ...options }).on('error', () => {});
}

/** Resolves when it is closed, by an error or in order. */
function closeOf(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

async function turnsAway(t: ExecutionContext, certificate: TestCertificate, says: RegExp): Promise<void> {
  for (const session of [true, false]) {
    await using server = await startServer(session);
    const turned = nextEvent<HandshakeFailedEvent>(server, 'handshakeFailed');
    const socket = connectAnyhow(server, certificate);
    let received = '';
    socket.on('data', (data: Buffer) => (received += String(data)));
    await closeOf(socket);
    t.regex((await turned).error.message, says);
    if (session) t.regex(received, says);
    else t.is(received, '', 'not even a tag');
    t.is(server.size + server.arriving, 0);
  }
}

test('an expired certificate is turned away', async (t) => {
  const { authority } = await testCertificates();
  const expired = await makeLeaf(authority, ['client.example'], { fromDays: -2, toDays: -1 });
  await turnsAway(t, expired, /not accepted: certificate has expired/);
});

test('a certificate for servers alone is turned away', async (t) => {
  const { authority } = await testCertificates();
  const wrong = await makeLeaf(authority, ['client.example'], { uses: { serverAuth: true } });
  await turnsAway(t, wrong, /not accepted: .*purpose/);
});

test('a client does not even dial with a certificate that is expired, or not for clients', async (t) => {
  const { authority, expired } = await testCertificates();
  const wrong = await makeLeaf(authority, ['client.example'], { uses: { serverAuth: true } });
  for (const [certificate, problem] of [
    [expired, /^tls\.cert: expired on .*renew/],
    [wrong, /^tls\.cert: is not for a client: .*clientAuth/],
  ] as const) {
    const options = { dial: '127.0.0.1:1', tls: { mode: 2, hostname: 'localhost', ...certificate } } as const;
    t.throws(() => new ClientPool(options), { code: 'POOLD_ERR_INVALID_OPTION', message: problem });
  }
});

test('the session of a client with a certificate opens no door to one without', async (t) => {
  const { client } = await testCertificates();
  await using server = await startServer(false);
  const first = connectAnyhow(server, client);
  first.resume();
  const [session] = (await once(first, 'session')) as [Buffer];
  await until(() => server.size === 1, 'the full handshake is let in');
  const turned = nextEvent<HandshakeFailedEvent>(server, 'handshakeFailed');
  const again = connectAnyhow(server, { session });
  await closeOf(again);
  t.is((await turned).error.code, 'POOLD_ERR_DIAL');
  t.is(server.size, 1);
  first.destroy();
});

test('a pinned fingerprint and a client certificate go together', async (t) => {
  const { authority, client: certificate, localhost } = await testCertificates();
  await using server = await startServer();
  const tls = { mode: 2, ca: authority.cert, hostname: 'localhost', ...certificate } as const;
  for (const fingerprint of [server.fingerprint ?? '', fingerprintOf(Buffer.from(localhost.key))]) {
    const pinned = { ...tls, fingerprint };
    await using client = new ClientPool({ dial: server.address ?? '', token: TOKEN, minCapacity: 1, tls: pinned });
    const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
    await client.start();
    if (fingerprint === server.fingerprint) await client.warmed(1);
    else t.is((await failed).error.code, 'POOLD_ERR_FINGERPRINT');
  }
});
