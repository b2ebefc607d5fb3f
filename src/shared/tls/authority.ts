/**
 * Makes certificates: an authority of one's own, and what it signs. Keys are P-256, signatures SHA-256.
 * Knows no files.
 */

import { createPrivateKey, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { fingerprintOf } from './fingerprint.ts';
import type { TlsMaterial } from './pem.ts';

/** What a certificate is to say. */
export interface Subject {
  readonly use: 'server' | 'client';
  /** The common name: at most 64 of `A-Z a-z 0-9 . _ -` and spaces. */
  readonly name: string;
  /** The host names and IP addresses of a server. */
  readonly hosts?: readonly string[];
  /** How long it is good for; never longer than its authority. */
  readonly days: number;
}

/** Who signs: the certificate, or undefined for one that signs itself, and the key. */
interface Issuer {
  readonly certificate: X509Certificate | undefined;
  readonly key: webcrypto.CryptoKey;
}

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Certificates begin in the past, so that peers whose clock is behind find them valid. */
const BACKDATED_MS = HOUR_MS;

/** An authority outlives what it signs several times. */
const AUTHORITY_DAYS = 3650;

/** Makes an authority, good for ten years, that signs servers and clients but no other authority. */
export async function makeAuthority(): Promise<TlsMaterial> {
  const keys = await makeKeys();
  return await make(keys, { certificate: undefined, key: keys.privateKey }, 'poold authority', AUTHORITY_DAYS, [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ]);
}

/** Makes a certificate and its key, signed by the authority. */
export async function makeCertificate(authority: TlsMaterial, subject: Subject): Promise<TlsMaterial> {
  const { use, name, hosts = [], days } = subject;
  const keys = await makeKeys();
  const names = hosts.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const);
  return await make(keys, await issuerOf(authority), name, days, [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([use === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth]),
    ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
  ]);
}

async function make(
  keys: webcrypto.CryptoKeyPair,
  { certificate, key }: Issuer,
  name: string,
  days: number,
  extensions: readonly Extension[],
): Promise<TlsMaterial> {
  const now = Date.now();
  const end = Math.min(now + days * DAY_MS, certificate?.notAfter.getTime() ?? Infinity);
  const subject = `CN=${name}`;
  const made = await X509CertificateGenerator.create({
    // Its serial number is 16 random bytes, never negative.
    subject,
    // The name as it stands in the authority's certificate: written anew, its text might have another type.
    issuer: certificate?.subjectName ?? subject,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(end),
    publicKey: keys.publicKey,
    signingKey: key,
    signingAlgorithm: SIGNATURE,
    extensions: [
      ...extensions,
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(certificate?.publicKey ?? keys.publicKey),
    ],
  });
  return {
    cert: `${made.toString('pem')}\n`,
    key: await exportKey(keys.privateKey),
    fingerprint: fingerprintOf(Buffer.from(made.rawData)),
  };
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
}

async function issuerOf({ cert, key }: TlsMaterial): Promise<Issuer> {
  const der = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' });
  return {
    certificate: new X509Certificate(cert),
    key: await webcrypto.subtle.importKey('pkcs8', der, KEY, false, ['sign']),
  };
}
