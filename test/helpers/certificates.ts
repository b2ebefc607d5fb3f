/** Certificates for tests, made once per test file: one authority and what it has signed. */

import { generate } from 'selfsigned';

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestCertificates {
  /** Signed the ones below; clients give its `cert` as their CA. */
  readonly authority: TestCertificate;
  /** An authority that has signed nothing here. */
  readonly stranger: TestCertificate;
  /** For `localhost`, `127.0.0.1` and `::1`. */
  readonly localhost: TestCertificate;
  /** For the same, but expired yesterday. */
  readonly expired: TestCertificate;
  /** For `elsewhere.example` alone. */
  readonly elsewhere: TestCertificate;
  /** A client's. */
  readonly client: TestCertificate;
}

interface LeafOptions {
  readonly fromDays?: number;
  readonly toDays?: number;
  /** What it is good for. Default: both. */
  readonly uses?: { readonly serverAuth?: boolean; readonly clientAuth?: boolean };
}

const DAY_MS = 86_400_000;

let made: Promise<TestCertificates> | undefined;

/** The same certificates at each call. */
export function testCertificates(): Promise<TestCertificates> {
  made ??= make();
  return made;
}

async function make(): Promise<TestCertificates> {
  const authority = await makeAuthority('poold test authority');
  const stranger = await makeAuthority('poold test stranger');
  const [localhost, expired, elsewhere, client] = await Promise.all([
    makeLeaf(authority, ['localhost', '127.0.0.1', '::1']),
    makeLeaf(authority, ['localhost', '127.0.0.1', '::1'], { fromDays: -2, toDays: -1 }),
    makeLeaf(authority, ['elsewhere.example']),
    makeLeaf(authority, ['client.example']),
  ]);
  return { authority, stranger, localhost, expired, elsewhere, client };
}

/** An authority: its own, or one that `above` has signed. */
export async function makeAuthority(name: string, above?: TestCertificate): Promise<TestCertificate> {
  const pem = await generate([{ name: 'commonName', value: name }], {
    ...validity(-1, 30),
    ...(above === undefined ? {} : { ca: above }),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { cert: `${pem.cert}\n`, key: pem.private };
}

/** A certificate for names and IP addresses; self-signed without an authority. */
export async function makeLeaf(
  authority: TestCertificate | undefined,
  names: readonly [string, ...string[]],
  { fromDays = -1, toDays = 30, uses = { serverAuth: true, clientAuth: true } }: LeafOptions = {},
): Promise<TestCertificate> {
  const pem = await generate([{ name: 'commonName', value: names[0] }], {
    ...validity(fromDays, toDays),
    ...(authority === undefined ? {} : { ca: authority }),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', ...uses },
      {
        name: 'subjectAltName',
        altNames: names.map((name) => (/^[\d.:]+$/.test(name) ? { type: 7, ip: name } : { type: 2, value: name })),
      },
    ],
  });
  return { cert: `${pem.cert}\n`, key: pem.private };
}

function validity(fromDays: number, toDays: number) {
  return {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() + fromDays * DAY_MS),
    notAfterDate: new Date(Date.now() + toDays * DAY_MS),
  } as const;
}
