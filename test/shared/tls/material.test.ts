import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ConfigError, InvalidOptionError } from '../../../src/shared/errors.ts';
import { fileMaterial, serverMaterial } from '../../../src/shared/tls/material.ts';
import { selfSignedMaterial } from '../../../src/shared/tls/self-signed.ts';
import { makeLeaf, type TestCertificates, testCertificates } from '../../helpers/certificates.ts';

const YEAR_MS = 365 * 86_400_000;

test('self-signed material is a P-256 certificate for localhost that outlives the process', async (t) => {
  const made = await selfSignedMaterial();
  const certificate = new X509Certificate(made.cert);
  t.is(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.is(certificate.checkHost('localhost'), 'localhost');
  t.true(certificate.verify(certificate.publicKey));
  t.is(made.fingerprint, `sha256:${certificate.fingerprint256}`);
  t.true(Date.parse(certificate.validFrom) < Date.now() - 3_500_000);
  t.true(Date.parse(certificate.validTo) > Date.now() + 9 * YEAR_MS);
});

test('self-signed material is signed with SHA-256', async (t) => {
  const { raw } = new X509Certificate((await selfSignedMaterial()).cert);
  // The object identifier 1.2.840.10045.4.3.2, ecdsa-with-SHA256.
  t.true(raw.includes(Buffer.from('06082a8648ce3d040302', 'hex')));
});

test('each call makes another certificate', async (t) => {
  const [first, second] = await Promise.all([selfSignedMaterial(), selfSignedMaterial()]);
  t.not(first.fingerprint, second.fingerprint);
});

async function writeFiles(t: ExecutionContext, cert: string, key: string): Promise<[string, string]> {
  const folder = await mkdtemp(join(tmpdir(), 'poold-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const paths: [string, string] = [join(folder, 'the.crt'), join(folder, 'the.key')];
  await Promise.all([writeFile(paths[0], cert), writeFile(paths[1], key)]);
  return paths;
}

test('a certificate with its chain and key are read from files', async (t) => {
  const { localhost, authority } = await testCertificates();
  const paths = await writeFiles(t, localhost.cert + authority.cert, localhost.key);
  t.deepEqual(await fileMaterial(...paths, 'server'), {
    cert: localhost.cert + authority.cert,
    key: localhost.key,
    fingerprint: `sha256:${new X509Certificate(localhost.cert).fingerprint256}`,
  });
});

/** What is in the two files, the file at fault and what the message says about it. */
interface Unusable {
  readonly cert: (all: TestCertificates) => string;
  readonly key: (all: TestCertificates) => string;
  readonly file: string;
  readonly problem: RegExp;
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const lockedKey = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' });

const unusable: Record<string, Unusable> = {
  'a file without a certificate': {
    cert: () => 'nothing',
    key: ({ localhost }) => localhost.key,
    file: 'the.crt',
    problem: /no certificate in PEM form/,
  },
  'a file without a key': {
    cert: ({ localhost }) => localhost.cert,
    key: () => '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n',
    file: 'the.key',
    problem: /no private key in PEM form/,
  },
  'a key with a passphrase': {
    cert: ({ localhost }) => localhost.cert,
    key: () => lockedKey.toString(),
    file: 'the.key',
    problem: /without a passphrase/,
  },
  'the key of another certificate': {
    cert: ({ localhost }) => localhost.cert,
    key: ({ elsewhere }) => elsewhere.key,
    file: 'the.key',
    problem: /does not belong to the certificate/,
  },
  'a chain in the wrong order': {
    cert: ({ authority, localhost }) => authority.cert + localhost.cert,
    key: ({ localhost }) => localhost.key,
    file: 'the.key',
    problem: /first certificate must be the server's own/,
  },
  'an expired certificate': {
    cert: ({ expired }) => expired.cert,
    key: ({ expired }) => expired.key,
    file: 'the.crt',
    problem: /expired on .* GMT; renew/,
  },
};

for (const [what, { cert, key, file, problem }] of Object.entries(unusable)) {
  test(`${what} is refused by the file's name, without a word of the key`, async (t) => {
    const all = await testCertificates();
    const paths = await writeFiles(t, cert(all), key(all));
    const error = await t.throwsAsync(fileMaterial(...paths, 'server'), { instanceOf: ConfigError, message: problem });
    t.regex(error?.message ?? '', new RegExp(`/${file}: `));
    const secret = key(all).split('\n')[1] ?? '';
    t.false([error?.message, error?.stack, String(error?.cause)].join().includes(secret));
  });

  test(`${what} is refused by the option's name`, async (t) => {
    const all = await testCertificates();
    const options = { mode: 2, cert: Buffer.from(cert(all)), key: key(all) } as const;
    const error = await t.throwsAsync(serverMaterial(options), { instanceOf: InvalidOptionError, message: problem });
    t.is(error?.option, file === 'the.crt' ? 'tls.cert' : 'tls.key');
  });
}

test('a certificate for clients alone is no server certificate, and the other way round', async (t) => {
  const { authority } = await testCertificates();
  const [clients, servers] = await Promise.all([
    makeLeaf(authority, ['localhost'], { uses: { clientAuth: true } }),
    makeLeaf(authority, ['localhost'], { uses: { serverAuth: true } }),
  ]);
  const [ofClients, ofServers] = await Promise.all([
    writeFiles(t, clients.cert, clients.key),
    writeFiles(t, servers.cert, servers.key),
  ]);
  await t.throwsAsync(fileMaterial(...ofClients, 'server'), { message: /the\.crt: is not for a server: .*serverAuth/ });
  await t.throwsAsync(fileMaterial(...ofServers, 'client'), { message: /the\.crt: is not for a client: .*clientAuth/ });
  t.is((await fileMaterial(...ofClients, 'client')).cert, clients.cert);
});

test('a file that cannot be read is named', async (t) => {
  const { localhost } = await testCertificates();
  const [cert] = await writeFiles(t, localhost.cert, localhost.key);
  await t.throwsAsync(fileMaterial(cert, `${cert}.missing`, 'server'), {
    instanceOf: ConfigError,
    message: /the\.crt\.missing: cannot be read \(ENOENT.*check the path/,
  });
});

test('a server has the material that its mode needs', async (t) => {
  const { localhost } = await testCertificates();
  t.is(await serverMaterial({ mode: 0 }), undefined);
  t.true(new X509Certificate((await serverMaterial({ mode: 1 }))?.cert ?? '').subject.includes('localhost'));
  t.is((await serverMaterial({ mode: 2, ...localhost }))?.cert, localhost.cert);
});
