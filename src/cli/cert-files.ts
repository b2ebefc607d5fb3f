/** The files of `poold cert`: each is written whole or not at all, and replaced only where that is asked for. */
import { randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError, reasonOf } from '../shared/errors.ts';

const FOLDER_MODE = 0o700;
const KEY_MODE = 0o600;
const CERTIFICATE_MODE = 0o644;

/** A certificate's file and its key's. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

/** `name.pem` and `name-key.pem`. */
export function pathsOf(folder: string, name: string): CertificatePaths {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}-key.pem`) };
}

/** Whether anything is there by that name, a broken link too. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw unusable(path, error);
  }
}

/** @throws ConfigError if it cannot be made */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw unusable(path, error);
  }
}

/**
 * Writes both files, the key first, so that there is never a certificate without its key.
 *
 * @throws ConfigError if one is there already and `force` is false, or cannot be written
 */
export async function writeCertificate(
  paths: CertificatePaths,
  { cert, key }: { readonly cert: string; readonly key: string },
  force: boolean,
): Promise<void> {
  await write(paths.key, key, KEY_MODE, force);
  await write(paths.cert, cert, CERTIFICATE_MODE, force);
}

/** Said of a file that stays as it is. */
export function isThere(path: string): ConfigError {
  return new ConfigError(`${path}: is there already; --force replaces it, and another --out leaves it alone`);
}

async function write(path: string, text: string, mode: number, force: boolean): Promise<void> {
  const draft = join(dirname(path), `.poold-${randomBytes(8).toString('hex')}`);
  try {
    const file = await open(draft, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where a file is, even one that came this very moment; a rename replaces it.
    await (force ? rename(draft, path) : link(draft, path));
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? isThere(path) : unusable(path, error);
  } finally {
    await rm(draft, { force: true });
  }
}

function unusable(path: string, cause: unknown): ConfigError {
  return new ConfigError(`${path}: cannot be used (${reasonOf(cause)}); check the path and its permissions`, { cause });
}
