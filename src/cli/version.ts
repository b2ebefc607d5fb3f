import { readFileSync } from 'node:fs';

/** The version in package.json, which is three folders up from here, in the repository as in an installed package. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
