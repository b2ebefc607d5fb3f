import { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { PassThrough } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { FingerprintError } from '../../../src/shared/errors.ts';
import { checkFingerprint, fingerprintOf, normaliseFingerprint } from '../../../src/shared/tls/fingerprint.ts';
import { selfSignedMaterial } from '../../../src/shared/tls/self-signed.ts';
import { clientTlsSettings, serverTlsSettings } from '../../../src/shared/tls/modes.ts';
import { testCertificates } from '../../helpers/certificates.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

// SHA-256 of "abc" (FIPS 180-2, appendix B.1).
const ABC = 'BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD';

test('a fingerprint is the SHA-256 of the bytes in upper-case pairs', (t) => {
  t.is(fingerprintOf(Buffer.from('abc')), `sha256:${ABC}`);
});

test('the fingerprint of a certificate is the one that OpenSSL shows', async (t) => {
  const certificate = new X509Certificate((await testCertificates()).localhost.cert);
  t.is(fingerprintOf(certificate.raw), `sha256:${certificate.fingerprint256}`);
});

test('every way to write a fingerprint means the same', (t) => {
  fc.assert(
    fc.property(
      fc.mixedCase(fc.constant(ABC)),
      fc.boolean(),
      fc.constantFrom('', 'sha256:', 'SHA256:'),
      (hex, bare, prefix) => normaliseFingerprint(prefix + (bare ? hex.replaceAll(':', '') : hex)) === `sha256:${ABC}`,
    ),
  );
  t.pass();
});

const malformed: Record<string, string> = {
  nothing: '',
  'a prefix alone': 'sha256:',
  'a digit too few': ABC.slice(1),
  'a pair too many': `${ABC}:AA`,
  'a letter beyond F': ABC.replace('B', 'G'),
  'a colon too few': ABC.replace(':', ''),
  'a SHA-1': ABC.slice(0, 59),
  'the prefix of another hash': `sha1:${ABC}`,
  'a space at the end': `${ABC} `,
};

for (const [what, text] of Object.entries(malformed)) {
  test(`${what} is no fingerprint`, (t) => {
    t.throws(() => normaliseFingerprint(text), { instanceOf: RangeError, message: /64 hex digits/ });
  });
}

test('the pinned certificate passes each time, another one is refused with both values', async (t) => {
  const material = await selfSignedMaterial();
  const server = serverTlsSettings({ mode: 1 }, material);
  const client = clientTlsSettings({ mode: 1, fingerprint: material.fingerprint }, '127.0.0.1');
  await using pair = await tlsPair(server, client ?? {});

  t.notThrows(() => checkFingerprint(pair.client, material.fingerprint));
  t.notThrows(() => checkFingerprint(pair.client, material.fingerprint.toLowerCase()));
  const error = t.throws(() => checkFingerprint(pair.client, ABC), { instanceOf: FingerprintError });
  t.true(error?.message.includes(material.fingerprint));
  t.true(error?.message.includes(`sha256:${ABC}`));
});

test('no certificate is a wrong certificate', (t) => {
  const socket = new TLSSocket(new PassThrough());
  t.throws(() => checkFingerprint(socket, ABC), { instanceOf: FingerprintError, message: /no certificate/ });
  socket.destroy();
  t.throws(() => checkFingerprint(socket, ABC), { instanceOf: FingerprintError, message: /no certificate/ });
});
