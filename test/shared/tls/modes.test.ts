import { type ConnectionOptions, createSecureContext, type TlsOptions } from 'node:tls';
import test from 'ava';
import { InvalidOptionError } from '../../../src/shared/errors.ts';
import { selfSignedMaterial, serverMaterial } from '../../../src/shared/tls/material.ts';
import {
  type ClientTlsOptions,
  checkClientTls,
  checkServerTls,
  clientTlsSettings,
  type ServerTlsOptions,
  serverTlsSettings,
} from '../../../src/shared/tls/modes.ts';
import { type TestCertificates, testCertificates } from '../../helpers/certificates.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

async function serverSettings(options: ServerTlsOptions): Promise<TlsOptions> {
  const material = await serverMaterial(options);
  return material === undefined ? {} : serverTlsSettings(options, material);
}

/** A server and a client, the host that is dialled, and the code of the refusal if there is one. */
interface Meeting {
  readonly server: (all: TestCertificates) => ServerTlsOptions;
  readonly client: (all: TestCertificates) => ClientTlsOptions;
  readonly host?: string;
  readonly refusal?: string;
}

/** Connects the two, and says which TLS version they speak. */
async function protocolOf(server: TlsOptions, client: ConnectionOptions): Promise<string | null> {
  await using pair = await tlsPair(server, client);
  return pair.client.getProtocol();
}

const meet = test.macro(async (t, { server, client, host = '127.0.0.1', refusal }: Meeting) => {
  const all = await testCertificates();
  const settings = clientTlsSettings(client(all), host) as ConnectionOptions;
  const protocol = protocolOf(await serverSettings(server(all)), settings);
  if (refusal === undefined) {
    t.is(await protocol, 'TLSv1.3');
  } else {
    await t.throwsAsync(protocol, { code: refusal });
  }
});

const mode1 = () => ({ mode: 1 }) as const;
const localhost2 = ({ localhost }: TestCertificates) => ({ mode: 2, ...localhost }) as const;
const trusting = ({ authority }: TestCertificates) => ({ mode: 2, ca: authority.cert }) as const;

test('mode 1 meets without verifying anything', meet, { server: mode1, client: mode1 });
test('a mode 1 client meets a mode 2 server', meet, { server: localhost2, client: mode1 });
test('a mode 1 client sends a name', meet, { server: mode1, client: () => ({ mode: 1, hostname: 'a.example' }) });
test('mode 2 trusts its own CA for an IP address', meet, { server: localhost2, client: trusting });
test('mode 2 trusts its own CA for a host name', meet, { server: localhost2, client: trusting, host: 'localhost' });
test('mode 2 verifies the given name in place of the address', meet, {
  server: ({ elsewhere }) => ({ mode: 2, ...elsewhere }),
  client: (all) => ({ ...trusting(all), hostname: 'elsewhere.example' }),
});
test('mode 2 verifies a given IP address in place of the name', meet, {
  server: localhost2,
  client: (all) => ({ ...trusting(all), hostname: '127.0.0.1' }),
  host: 'elsewhere.example',
});
test('mode 2 refuses the dialled host if another IP address is due', meet, {
  server: localhost2,
  client: (all) => ({ ...trusting(all), hostname: '127.0.0.9' }),
  host: 'localhost',
  refusal: 'ERR_TLS_CERT_ALTNAME_INVALID',
});
test('mode 2 takes a CA file with several certificates', meet, {
  server: localhost2,
  client: ({ stranger, authority }) => ({ mode: 2, ca: Buffer.from(stranger.cert + authority.cert) }),
});
test('mode 2 refuses a self-signed certificate', meet, {
  server: mode1,
  client: trusting,
  refusal: 'DEPTH_ZERO_SELF_SIGNED_CERT',
});
test('mode 2 refuses a certificate of another CA', meet, {
  server: localhost2,
  client: ({ stranger }) => ({ mode: 2, ca: stranger.cert }),
  refusal: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
});
test('mode 2 without a CA of its own refuses an unknown one', meet, {
  server: localhost2,
  client: () => ({ mode: 2 }),
  refusal: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
});
test('mode 2 refuses a certificate for another host', meet, {
  server: ({ elsewhere }) => ({ mode: 2, ...elsewhere }),
  client: trusting,
  refusal: 'ERR_TLS_CERT_ALTNAME_INVALID',
});
test('mode 2 refuses the dialled host if another name is due', meet, {
  server: localhost2,
  client: (all) => ({ ...trusting(all), hostname: 'elsewhere.example' }),
  host: 'localhost',
  refusal: 'ERR_TLS_CERT_ALTNAME_INVALID',
});

test('mode 2 refuses a certificate that has expired while it was served', async (t) => {
  const { expired, authority } = await testCertificates();
  const server = serverTlsSettings({ mode: 2, ...expired }, { ...expired, fingerprint: '' });
  const client = clientTlsSettings({ mode: 2, ca: authority.cert }, 'localhost') ?? {};
  await t.throwsAsync(protocolOf(server, client), { code: 'CERT_HAS_EXPIRED' });
});

test('a server with a client CA takes only its certificates', async (t) => {
  const { localhost, authority, stranger, client } = await testCertificates();
  const options = { mode: 2, ...localhost, clientCa: authority.cert } as const;
  const server = await serverSettings(options);
  const strict = await serverSettings({ ...options, clientCa: stranger.cert });
  const anonymous = clientTlsSettings({ mode: 1 }, 'localhost') ?? {};
  const known = { ...anonymous, secureContext: createSecureContext(client) };

  await using pair = await tlsPair(server, known);
  t.true(pair.server.authorized);
  await t.throwsAsync(protocolOf(server, anonymous), { code: 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' });
  await t.throwsAsync(protocolOf(strict, known));
});

test('the name of the server is sent in clear, an IP address never', (t) => {
  const sent = (options: ClientTlsOptions, host: string | undefined) => clientTlsSettings(options, host)?.servername;
  t.is(sent({ mode: 1 }, 'a.example'), 'a.example');
  t.is(sent({ mode: 1, hostname: 'b.example' }, 'a.example'), 'b.example');
  t.is(sent({ mode: 2, hostname: 'b.example' }, '127.0.0.1'), 'b.example');
  t.is(sent({ mode: 1 }, '127.0.0.1'), undefined);
  t.is(sent({ mode: 2 }, '::1'), undefined);
  t.is(sent({ mode: 1 }, undefined), undefined);
});

/** Which end says it, and in which of these words, is a matter of time. */
const OLD = /unsupported protocol|alert protocol version/;

test('case 5: neither side speaks TLS 1.2', async (t) => {
  const material = await selfSignedMaterial();
  const server = serverTlsSettings({ mode: 1 }, material);
  const client = clientTlsSettings({ mode: 1 }, '127.0.0.1') ?? {};
  const { cert, key } = material;

  const oldClient = { rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const;
  await t.throwsAsync(protocolOf(server, oldClient), { message: OLD });
  await t.throwsAsync(protocolOf({ cert, key, maxVersion: 'TLSv1.2' }, client), { message: OLD });
});

test('mode 0 has no TLS settings', (t) => {
  t.is(clientTlsSettings({ mode: 0 }, 'localhost'), undefined);
});

test('mode 2 on a unix socket needs a name', (t) => {
  const error = t.throws(() => clientTlsSettings({ mode: 2 }, undefined), { instanceOf: InvalidOptionError });
  t.is(error?.option, 'tls.hostname');
});

const badPem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

const badServers: [options: object, option: string, problem: RegExp][] = [
  [{}, 'tls.mode', /undefined is not a TLS mode/],
  [{ mode: 3 }, 'tls.mode', /3 is not a TLS mode; use 0, 1 or 2/],
  [{ mode: '1' }, 'tls.mode', /not a TLS mode/],
  [{ mode: 2, key: 'k' }, 'tls.cert', /is missing/],
  [{ mode: 2, cert: 'c' }, 'tls.key', /is missing/],
  [{ mode: 0, cert: 'c' }, 'tls.cert', /has no effect in mode 0/],
  [{ mode: 0, key: 'k' }, 'tls.key', /has no effect in mode 0/],
  [{ mode: 1, key: 'k' }, 'tls.cert', /is missing/],
  [{ mode: 1, cert: 'c' }, 'tls.key', /is missing/],
  [{ mode: 1, clientCa: 'c' }, 'tls.clientCa', /has no effect in mode 1/],
  [{ mode: 2, cert: 'c', key: 'k', clientCa: 'c' }, 'tls.clientCa', /no certificate in PEM form/],
];

for (const [options, option, problem] of badServers) {
  test(`a server refuses ${JSON.stringify(options)}`, (t) => {
    const error = t.throws(() => checkServerTls(options as ServerTlsOptions), { instanceOf: InvalidOptionError });
    t.is(error?.option, option);
    t.regex(error?.message ?? '', problem);
  });
}

const badClients: [options: object, option: string, problem: RegExp][] = [
  [{ mode: -1 }, 'tls.mode', /-1 is not a TLS mode/],
  [{ mode: 0, hostname: 'a.example' }, 'tls.hostname', /has no effect in mode 0/],
  [{ mode: 2, hostname: '' }, 'tls.hostname', /is empty/],
  [{ mode: 0, fingerprint: 'ab'.repeat(32) }, 'tls.fingerprint', /has no effect in mode 0/],
  [{ mode: 1, fingerprint: 'ab' }, 'tls.fingerprint', /64 hex digits/],
  [{ mode: 0, ca: badPem }, 'tls.ca', /has no effect in mode 0/],
  [{ mode: 1, ca: badPem }, 'tls.ca', /has no effect in mode 1/],
  [{ mode: 2, ca: 'c' }, 'tls.ca', /no certificate in PEM form/],
  [{ mode: 2, ca: badPem }, 'tls.ca', /cannot be read/],
];

for (const [options, option, problem] of badClients) {
  test(`a client refuses ${JSON.stringify(options)}`, (t) => {
    const error = t.throws(() => checkClientTls(options as ClientTlsOptions), { instanceOf: InvalidOptionError });
    t.is(error?.option, option);
    t.regex(error?.message ?? '', problem);
  });
}

test('material that OpenSSL does not accept is refused by name', (t) => {
  const broken = { cert: badPem, key: '', fingerprint: '' };
  const error = t.throws(() => serverTlsSettings({ mode: 1 }, broken), { instanceOf: InvalidOptionError });
  t.is(error?.option, 'tls.cert');
});
