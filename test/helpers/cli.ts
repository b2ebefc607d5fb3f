/** The command as users run it: `node bin/poold.js …`, in an environment without settings of its own. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from './child.ts';

const bin = fileURLToPath(new URL('../../../bin/poold.js', import.meta.url));

function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('POOLD_'));
  return { ...Object.fromEntries(inherited), ...extra };
}

/** Starts a command that keeps running. */
export function startCli(args: readonly string[], env?: Readonly<Record<string, string>>): Child {
  return startChild(process.execPath, [bin, ...args], { env: environment(env) });
}

/** The same in a process that may have so many descriptors. */
export function startCliWith(descriptors: number, args: readonly string[]): Child {
  const script = `ulimit -n ${descriptors}; exec "$0" "$@"`;
  return startChild('sh', ['-c', script, process.execPath, bin, ...args], { env: environment() });
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function runCli(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { env: environment(env), timeout: 20_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** A file with a text, in a folder of its own that goes with the test. */
export async function textFile(
  t: { teardown(end: () => Promise<void>): void },
  text: string,
  mode = 0o600,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'poold-test-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'file');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}
