/** `npm run pages`, at pack time: the manual page and the completion scripts, as the built command prints them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const bin = fileURLToPath(new URL('bin/poold.js', root));

/** Where each goes, by the names that `man` and the shells look for, and how it is asked for. */
const PAGES: readonly (readonly [path: string, ...args: string[]])[] = [
  ['man/poold.1', 'man'],
  ['completions/poold.bash', 'completion', 'bash'],
  ['completions/_poold', 'completion', 'zsh'],
  ['completions/poold.fish', 'completion', 'fish'],
];

for (const [path, ...args] of PAGES) {
  const file = new URL(`dist/${path}`, root);
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, execFileSync(process.execPath, [bin, ...args]));
}
