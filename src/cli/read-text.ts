import { readFileSync } from 'node:fs';
import { ConfigError, reasonOf } from '../shared/errors.ts';

/** The text of a file that a flag names. @throws ConfigError when it cannot be read */
export function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${name}: ${path} cannot be read (${reasonOf(cause)})`, { cause });
  }
}
