import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import test from 'ava';
import { makeAuthority, makeCertificate } from '../../../src/shared/tls/authority.ts';
import { clientTlsSettings, serverTlsSettings } from '../../../src/shared/tls/modes.ts';
import type { TlsMaterial } from '../../../src/shared/tls/pem.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

const DAY_MS = 86_400_000;
const HOSTS = ['tunnel.example.com', 'localhost', '10.0.0.1', '2001:db8::5', '::1'];

let authority: TlsMaterial;
let server: TlsMaterial;
let client: TlsMaterial;

test.before(async () => {
  authority = await makeAuthority();
  server = await makeCertificate(authority, { use: 'server', name: 'tunnel.example.com', hosts: HOSTS, days: 825 });
  client = await makeCertificate(authority, { use: 'client', name: 'laptop', days: 825 });
});

const parsed = ({ cert }: TlsMaterial): X509Certificate => new X509Certificate(cert);

test('an authority signs leaves and no other authority, for ten years', (t) => {
  const certificate = parsed(authority);
  t.true(certificate.ca);
  t.is(certificate.subject, 'CN=poold authority');
  t.true(certificate.checkIssued(certificate));
  t.true(certificate.verify(certificate.publicKey));
  // basicConstraints, critical: SEQUENCE { TRUE, 0 } (RFC 5280, 4.2.1.9).
  t.true(certificate.raw.includes(Buffer.from('0603551d130101ff040830060101ff020100', 'hex')));
  // keyUsage, critical: bits 5 and 6, keyCertSign and cRLSign (4.2.1.3).
  t.true(certificate.raw.includes(Buffer.from('0603551d0f0101ff040403020106', 'hex')));
  t.true(Math.abs(Date.parse(certificate.validTo) - Date.now() - 3650 * DAY_MS) < DAY_MS);
});

test('a server certificate has its names and addresses, and is for servers alone', (t) => {
  const certificate = parsed(server);
  t.true(certificate.checkIssued(parsed(authority)));
  t.true(certificate.verify(parsed(authority).publicKey));
  t.is(certificate.checkHost('tunnel.example.com'), 'tunnel.example.com');
  t.is(certificate.checkHost('other.example.com'), undefined);
  for (const ip of ['10.0.0.1', '2001:db8::5', '::1']) t.is(certificate.checkIP(ip), ip);
  t.is(certificate.checkIP('10.0.0.2'), undefined);
  t.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  t.false(certificate.ca);
});

test('a client certificate has its name, and is for clients alone', (t) => {
  const certificate = parsed(client);
  t.is(certificate.subject, 'CN=laptop');
  t.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  t.is(certificate.subjectAltName, undefined);
  t.true(certificate.verify(parsed(authority).publicKey));
});

test('all are P-256, signed with SHA-256, begin an hour ago and have a number of their own', (t) => {
  const all = [authority, server, client];
  for (const material of all) {
    const certificate = parsed(material);
    t.is(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    t.true(certificate.checkPrivateKey(createPrivateKey(material.key)));
    // The object identifier 1.2.840.10045.4.3.2, ecdsa-with-SHA256.
    t.true(certificate.raw.includes(Buffer.from('06082a8648ce3d040302', 'hex')));
    t.true(Math.abs(Date.now() - Date.parse(certificate.validFrom) - 3_600_000) < 60_000);
    t.is(material.fingerprint, `sha256:${certificate.fingerprint256}`);
    t.regex(certificate.serialNumber, /^[0-9A-F]{20,32}$/, 'long, and no minus before it');
  }
  t.is(new Set(all.map((one) => parsed(one).serialNumber)).size, all.length);
});

test('a certificate ends with its authority at the latest', async (t) => {
  const long = await makeCertificate(authority, { use: 'client', name: 'old', days: 9999 });
  t.is(parsed(long).validTo, parsed(authority).validTo);
});

test('both ends verify each other with them', async (t) => {
  const settings = serverTlsSettings({ mode: 2, ...server, clientCa: authority.cert }, server);
  const mine = { mode: 2, ca: authority.cert, cert: client.cert, key: client.key } as const;
  await using pair = await tlsPair(settings, clientTlsSettings(mine, '10.0.0.1') as ConnectionOptions);
  t.true(pair.server.authorized);
  t.true(pair.client.authorized);
  t.is(pair.server.getPeerCertificate().subject.CN, 'laptop');
});
