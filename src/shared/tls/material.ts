/** Where a server's certificate and key come from: made in memory, from files, or from the options. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError, InvalidOptionError, reasonOf } from '../errors.ts';
import { fingerprintOf } from './fingerprint.ts';
import { checkServerTls, type Pem, type ServerTlsOptions } from './modes.ts';

/** A certificate (its chain behind it) and its private key as PEM text, fit for each other. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Of the certificate, in the form of `fingerprintOf`. */
  readonly fingerprint: string;
}

/** The two parts of the material, named as the options are. */
type Part = 'cert' | 'key';

const HOUR_MS = 3_600_000;

/** The certificate begins in the past, so that peers whose clock is behind find it valid. */
const BACKDATED_MS = HOUR_MS;

/** About ten years: it lives in memory only, and no process should outlive it. */
const LIFETIME_MS = 10 * 365 * 24 * HOUR_MS;

/**
 * The material that the server's TLS mode needs: none for mode 0, self-signed for mode 1, the options'
 * own for mode 2.
 *
 * @throws InvalidOptionError naming the `tls.…` option that cannot be used
 */
export async function serverMaterial(options: ServerTlsOptions): Promise<TlsMaterial | undefined> {
  checkServerTls(options);
  if (options.mode === 0) {
    return undefined;
  }
  const { cert, key } = options;
  return cert === undefined || key === undefined ? selfSignedMaterial() : pemMaterial(cert, key);
}

/**
 * Makes a P-256 key and a self-signed certificate for `localhost`, valid from an hour ago for ten
 * years. Each call makes new ones, so a restarted server has another fingerprint.
 */
export async function selfSignedMaterial(): Promise<TlsMaterial> {
  // Imported late: loading it takes longer than making the certificate, and only mode 1 needs it.
  const { generate } = await import('selfsigned');
  const now = Date.now();
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
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

/**
 * Reads a certificate and its key from PEM files. The certificate's file may hold its chain behind it.
 *
 * @throws ConfigError naming the file, what is wrong with it and what to do; never what the key holds
 */
export async function fileMaterial(certPath: string, keyPath: string): Promise<TlsMaterial> {
  const [cert, key] = await Promise.all([readText(certPath), readText(keyPath)]);
  const paths: Record<Part, string> = { cert: certPath, key: keyPath };
  return inspect(cert, key, (part, problem) => new ConfigError(`${paths[part]}: ${problem}`));
}

/**
 * Takes a certificate and its key from the options.
 *
 * @throws InvalidOptionError for `tls.cert` or `tls.key`
 */
function pemMaterial(cert: Pem, key: Pem): TlsMaterial {
  return inspect(String(cert), String(key), (part, problem) => new InvalidOptionError(`tls.${part}`, problem));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${path}: cannot be read (${reasonOf(error)}); check the path and its permissions`, {
      cause: error,
    });
  }
}

/** Checks that the parts can be used, and together; `refuse` makes the error for a part that cannot. */
function inspect(cert: string, key: string, refuse: (part: Part, problem: string) => Error): TlsMaterial {
  const certificate = readCertificate(cert);
  if (certificate === undefined) {
    throw refuse('cert', 'no certificate in PEM form; it must begin with -----BEGIN CERTIFICATE-----');
  }
  const privateKey = readKey(key);
  if (privateKey === undefined) {
    throw refuse('key', 'no private key in PEM form without a passphrase; convert it with "openssl pkey"');
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw refuse('key', "does not belong to the certificate; a chain's first certificate must be the server's own");
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    throw refuse('cert', `expired on ${certificate.validTo}; renew the certificate`);
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
