/** Processes of the benchmark, and what they cost. Linux only: CPU time and memory are read from /proc. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Clock ticks in /proc/PID/stat per second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** How long a program may take to be ready, ms: 10,000 TLS connections are made meanwhile. */
const READY_MS = 300_000;

const started = new Set<ChildProcess>();

/** A file of the benchmark or of poold, beside this one in dist. */
export function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** One of the programs of bench/programs, as arguments for node. */
export function program(name: string, ...args: readonly (string | number)[]): string[] {
  return [script(`programs/${name}.js`), ...args.map(String)];
}

/** Starts `node args…` with an IPC channel, and resolves when it has printed something that matches. */
export function startNode(args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  return startUntil(process.execPath, args, ready, ['ignore', 'pipe', 'pipe', 'ipc']);
}

/** Starts a program that says nothing, and resolves when its port accepts. */
export async function startListening(command: string, args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: 'ignore' });
  track(child);
  for (const end = performance.now() + READY_MS; !(await accepts(port)); await pause(20)) {
    if (child.exitCode !== null || performance.now() > end) throw new Error(`${command} does not listen on ${port}`);
  }
  return child;
}

/** Runs `node args…` to its end, and returns the JSON that it prints. */
export async function run<T>(args: readonly string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [...args]);
  return JSON.parse(stdout) as T;
}

/** Asks a process over IPC; it answers each message with one. */
export async function ask<T>(child: ChildProcess, question: string): Promise<T> {
  const answer = once(child, 'message') as Promise<[T]>;
  child.send(question);
  return (await answer)[0];
}

/** Ends processes that were started here, all of them when none is named. */
export async function stop(children: Iterable<ChildProcess> = started): Promise<void> {
  const running = [...children].filter((child) => started.has(child));
  const ends = running.map((child) => once(child, 'exit'));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ends);
}

/** User and system time that these processes and those that they started have used so far, ms. */
export function cpuMs(children: readonly ChildProcess[]): number {
  const ticks = children
    .flatMap(({ pid }) => familyOf(String(pid)))
    .map((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name in brackets may hold spaces; utime and stime are the 12th and 13th field behind it.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[11]) + Number(fields[12]);
    });
  return (ticks.reduce((sum, one) => sum + one, 0) * 1000) / TICKS_PER_SECOND;
}

/** A process and all that it has started. */
function familyOf(pid: string): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return [pid, ...children.flatMap(familyOf)];
}

/** Ports below those that the system gives out by itself, so that none is taken before its owner listens. */
let nextPort = 10_000 + Math.floor(Math.random() * 10_000);

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  nextPort += 1;
  const server = createServer().listen(nextPort, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return freePort();
  }
  server.close();
  await once(server, 'close');
  return nextPort;
}

/** Resolves after `ms`; a benchmark waits for time itself. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function startUntil(
  command: string,
  args: readonly string[],
  ready: RegExp,
  stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio });
  track(child);
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${args.join(' ')} is not ready:\n${output}`)), READY_MS);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        // What comes later matters to nobody.
        if (output.length < 65_536) output += text;
        if (!ready.test(output)) return;
        clearTimeout(late);
        resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}:\n${output}`)));
  });
  return child;
}

function track(child: ChildProcess): void {
  started.add(child);
  child.once('exit', () => started.delete(child));
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
