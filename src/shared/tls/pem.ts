/** A certificate and its private key as PEM text: whether they can be used, together and for what they are given. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { InvalidOptionError } from '../errors.ts';
import { fingerprintOf } from './fingerprint.ts';

/** Certificates or a key, as PEM text or a file's bytes. */
export type Pem = string | Buffer;

/** A certificate (its chain behind it) and its private key as PEM text, fit for each other. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Of the certificate, in the form of `fingerprintOf`. */
  readonly fingerprint: string;
}

/** The two parts of the material, named as the options are. */
export type Part = 'cert' | 'key';

/** Which end of a connection shows the certificate; or that it signs others. */
export type TlsUse = 'server' | 'client' | 'authority';

/** The extended key usage that the other end asks for (RFC 5280, 4.2.1.12); a certificate that names none is for all. */
const PURPOSES: Record<Exclude<TlsUse, 'authority'>, { readonly oid: string; readonly name: string }> = {
  server: { oid: '1.3.6.1.5.5.7.3.1', name: 'serverAuth' },
  client: { oid: '1.3.6.1.5.5.7.3.2', name: 'clientAuth' },
};

/**
 * Takes a certificate and its key from the options.
 *
 * @throws InvalidOptionError for `tls.cert` or `tls.key`
 */
export function pemMaterial(cert: Pem, key: Pem, use: TlsUse): TlsMaterial {
  return readMaterial(
    String(cert),
    String(key),
    use,
    (part, problem) => new InvalidOptionError(`tls.${part}`, problem),
  );
}

/** Checks that the parts can be used; `refuse` makes the error for a part that cannot. */
export function readMaterial(
  cert: string,
  key: string,
  use: TlsUse,
  refuse: (part: Part, problem: string) => Error,
): TlsMaterial {
  const certificate = readCertificate(cert);
  if (certificate === undefined) {
    throw refuse('cert', 'no certificate in PEM form; it must begin with -----BEGIN CERTIFICATE-----');
  }
  const privateKey = readKey(key);
  if (privateKey === undefined) {
    throw refuse('key', 'no private key in PEM form without a passphrase; convert it with "openssl pkey"');
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw refuse('key', `does not belong to the certificate; a chain's first certificate must be the ${use}'s own`);
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    throw refuse('cert', `expired on ${certificate.validTo}; renew the certificate`);
  }
  if (use === 'authority') {
    if (!certificate.ca) throw refuse('cert', 'is not the certificate of an authority; it cannot sign others');
    if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      throw refuse('key', 'is not on the curve P-256; sign with the program that made it, or make a new authority');
    }
  } else {
    const { oid, name } = PURPOSES[use];
    if (!(certificate.keyUsage ?? [oid]).includes(oid)) {
      throw refuse('cert', `is not for a ${use}: its extended key usage has no ${name}; use one made for a ${use}`);
    }
  }
  return { cert, key, fingerprint: fingerprintOf(certificate.raw) };
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause is dropped: nothing of what a key's file holds may reach a log.
    return undefined;
  }
}
