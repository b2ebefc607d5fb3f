/** The certificate of TLS mode 1, made in memory. */
import { X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';
import { fingerprintOf } from './fingerprint.ts';
import type { TlsMaterial } from './pem.ts';

const HOUR_MS = 3_600_000;

/** The certificate begins in the past, so that peers whose clock is behind find it valid. */
const BACKDATED_MS = HOUR_MS;

/** About ten years: it lives in memory only, and no process should outlive it. */
const LIFETIME_MS = 10 * 365 * 24 * HOUR_MS;

/**
 * Makes a P-256 key and a self-signed certificate for `localhost`, valid from an hour ago for ten
 * years. Each call makes new ones, so a restarted server has another fingerprint.
 */
export async function selfSignedMaterial(): Promise<TlsMaterial> {
  const now = Date.now();
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    // Its own default is SHA-1.
    algorithm: 'sha256',
    notBeforeDate: new Date(now - BACKDATED_MS),
    notAfterDate: new Date(now + LIFETIME_MS),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  });
  return { cert: `${made.cert}\n`, key: made.private, fingerprint: fingerprintOf(new X509Certificate(made.cert).raw) };
}
