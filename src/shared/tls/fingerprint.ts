/** SHA-256 fingerprints of certificates, written as NodePass writes them: `sha256:AB:CD:…`. */

import { createHash } from 'node:crypto';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { FingerprintError } from '../errors.ts';

const PREFIX = 'sha256:';

/** 32 bytes as hex digits, with a colon between all of them or none. */
const FINGERPRINT = /^(?:sha256:)?([0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i;

/** The fingerprint of a certificate in DER form: `sha256:` and 32 upper-case hex pairs joined by colons. */
export function fingerprintOf(der: Buffer): string {
  return canonical(createHash('sha256').update(der).digest('hex'));
}

/**
 * The form of {@link fingerprintOf} for a fingerprint as people paste it: hex in any case, with or
 * without colons, with or without `sha256:`.
 *
 * @throws RangeError if it is not the fingerprint of a SHA-256
 */
export function normaliseFingerprint(text: string): string {
  const hex = FINGERPRINT.exec(text)?.[1];
  if (hex === undefined) {
    throw new RangeError(`"${text}" is not a SHA-256 fingerprint; write 64 hex digits, for instance sha256:AB:CD:…`);
  }
  return canonical(hex.replaceAll(':', ''));
}

/**
 * Compares the certificate at the other end of a finished handshake with the pinned fingerprint. No
 * certificate (as on a resumed session) counts as a wrong one.
 *
 * @throws FingerprintError with both values
 */
export function checkFingerprint(socket: TLSSocket, pinned: string): void {
  const expected = normaliseFingerprint(pinned);
  // Not getPeerX509Certificate: on Node 20 it takes the certificate away from whoever asks next.
  const der = shownCertificate(socket);
  const actual = der === undefined ? 'no certificate' : fingerprintOf(der);
  if (actual !== expected) {
    throw new FingerprintError(
      `the server shows ${actual}, pinned is ${expected}; if its certificate was renewed, pin the new fingerprint, ` +
        'else someone else answers in its place',
    );
  }
}

/** The types promise a certificate, yet there is `null` on a destroyed socket and `{}` if none was shown. */
function shownCertificate(socket: TLSSocket): Buffer | undefined {
  const certificate: Partial<PeerCertificate> | null = socket.getPeerCertificate();
  return certificate?.raw;
}

function canonical(hex: string): string {
  return PREFIX + (hex.toUpperCase().match(/../g) ?? []).join(':');
}
