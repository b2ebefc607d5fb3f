/** Row "visit": short visits through a running pair, against two hops of the bare pipe, in turns. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeToken } from '../src/cli/token.ts';
import { cpuMs, freePort, pause, run, script, start } from './processes.ts';

/** Echoed in each visit, bytes. */
const BYTES = 256;

/** How long refills may go on inside the measured time, ms. */
const SETTLE_MS = 2000;

/** Something that visitors go through: where they connect, and the processes it costs. */
export interface Way {
  readonly name: string;
  readonly port: number;
  readonly processes: readonly ChildProcess[];
}

export interface VisitFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lost: number;
  /** User and system time of both hops, ms a visit. */
  readonly cpuMs: number;
}

/** Two hops of the bare pipe to the target. */
export async function barePipe(target: number): Promise<Way> {
  const [outer, inner] = [await freePort(), await freePort()];
  const second = await start(script('bare-pipe.js'), [inner, target], /ready/);
  const first = await start(script('bare-pipe.js'), [outer, inner], /ready/);
  return { name: 'bare pipe', port: outer, processes: [first, second] };
}

/** A poold pair to the target, warm. */
export async function pooldPair(target: number, tls: 0 | 1): Promise<Way> {
  const folder = await mkdtemp(join(tmpdir(), 'poold-bench-'));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, makeToken(), { mode: 0o600 });
  const [listen, visitors] = [await freePort(), await freePort()];
  const bin = script('../../bin/poold.js');
  const common = ['--token-file', tokenFile, '--tls', tls, '--log-format', 'json'];
  const server = await start(
    bin,
    ['server', '--listen', `127.0.0.1:${listen}`, '--public', `127.0.0.1:${visitors}`, ...common],
    /"listening"/,
  );
  const client = await start(
    bin,
    ['client', '--server', `127.0.0.1:${listen}`, '--target', target, '--min', 64, ...common],
    /"warm"/,
  );
  await rm(folder, { recursive: true });
  return { name: `poold, TLS ${tls}`, port: visitors, processes: [server, client] };
}

/** One turn: a load through the way, its CPU counted until the pool is at rest again. */
export async function measureVisits(way: Way, visits: number, concurrency: number): Promise<VisitFigures> {
  const before = cpuMs(way.processes);
  const load = await run<Omit<VisitFigures, 'cpuMs'>>(script('load.js'), [way.port, visits, concurrency, BYTES]);
  await pause(SETTLE_MS);
  return { ...load, cpuMs: (cpuMs(way.processes) - before) / visits };
}
