/** Where a server's certificate and key come from: made in memory, from files, or from the options. */

import { readFile } from 'node:fs/promises';
import { ConfigError, reasonOf } from '../errors.ts';
import { checkServerTls, type ServerTlsOptions } from './modes.ts';
import { type Part, pemMaterial, readMaterial, type TlsMaterial, type TlsUse } from './pem.ts';

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
  if (cert !== undefined && key !== undefined) return pemMaterial(cert, key, 'server');
  // Imported late: loading it takes longer than making the certificate, and only mode 1 needs it.
  const { selfSignedMaterial } = await import('./self-signed.ts');
  return await selfSignedMaterial();
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
