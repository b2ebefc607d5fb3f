/** Processes of the benchmark, and what they cost. Linux only: CPU time is read from /proc. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Clock ticks in /proc/PID/stat per second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

const started = new Set<ChildProcess>();

/** A file of the benchmark or of poold, beside this one in dist. */
export function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** Starts `node script args…`, and resolves when it has printed a line that matches. */
export async function start(path: string, args: readonly (string | number)[], ready: RegExp): Promise<ChildProcess> {
  const child = spawn(process.execPath, [path, ...args.map(String)], { stdio: ['ignore', 'pipe', 'pipe'] });
  started.add(child);
  child.once('exit', () => started.delete(child));
  let output = '';
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (ready.test(output)) resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`${path} ended with ${code}:\n${output}`)));
  });
  return child;
}

/** Runs `node script args…` to its end, and returns the JSON that it prints. */
export async function run<T>(path: string, args: readonly (string | number)[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [path, ...args.map(String)]);
  return JSON.parse(stdout) as T;
}

/** Ends everything that was started. */
export async function stopAll(): Promise<void> {
  const ends = [...started].map((child) => once(child, 'exit'));
  for (const child of started) child.kill('SIGKILL');
  await Promise.all(ends);
}

/** User and system time that these processes have used so far, ms. */
export function cpuMs(children: readonly ChildProcess[]): number {
  const ticks = children.map(({ pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th field behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return (ticks.reduce((sum, one) => sum + one, 0) * 1000) / TICKS_PER_SECOND;
}

/** A port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves after `ms`; a benchmark waits for time itself. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
