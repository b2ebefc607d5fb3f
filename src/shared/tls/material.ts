/** Where a server's certificate and key come from: made in memory, from files, or from the options. */

import { readFile } from 'node:fs/promises';
import { ConfigError, reasonOf } from '../errors.ts';
import { checkServerTls, type ServerTlsOptions } from './modes.ts';
import { type Part, pemMaterial, readMaterial, type TlsMaterial, type TlsUse } from './pem.ts';

/** About ten years: it lives in memory only, and no process should outlive it. */
const SELF_SIGNED_DAYS = 3650;

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
  return cert === undefined || key === undefined ? selfSignedMaterial() : pemMaterial(cert, key, 'server');
}

/**
 * Makes a P-256 key and a self-signed certificate for `localhost`, valid from an hour ago for ten
 * years. Each call makes new ones, so a restarted server has another fingerprint.
 */
export async function selfSignedMaterial(): Promise<TlsMaterial> {
  // Imported late: loading it takes longer than making the certificate, and only mode 1 needs it.
  const { makeCertificate } = await import('./authority.ts');
  return await makeCertificate(undefined, {
    use: 'server',
    name: 'localhost',
    hosts: ['localhost'],
    days: SELF_SIGNED_DAYS,
  });
}

/**
 * Reads a certificate and its key from PEM files. The certificate's file may hold its chain behind it.
 *
 * @throws ConfigError naming the file, what is wrong with it and what to do; never what the key holds
 */
export async function fileMaterial(certPath: string, keyPath: string, use: TlsUse): Promise<TlsMaterial> {
  const [cert, key] = await Promise.all([readText(certPath), readText(keyPath)]);
  const paths: Record<Part, string> = { cert: certPath, key: keyPath };
  return readMaterial(cert, key, use, (part, problem) => new ConfigError(`${paths[part]}: ${problem}`));
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
