/** What visitors go through: two hops of the bare pipe, or a poold pair. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeToken } from '../src/cli/token.ts';
import { ask, cpuMs, freePort, pause, program, script, startNode, stop } from './processes.ts';

/** What a probed poold process counts. */
export interface Counts {
  /** Pooled connections made so far, and those still open. */
  readonly made: number;
  readonly open: number;
  /** The wanted number of idle connections; 0 before it first changed. */
  readonly capacity: number;
  readonly rssBytes: number;
}

export interface Way {
  readonly name: string;
  /** Where visitors connect. */
  readonly port: number;
  /** The processes that a visit costs. */
  readonly hops: readonly ChildProcess[];
  /** The two ends of a poold pair. */
  readonly pair?: { readonly server: ChildProcess; readonly client: ChildProcess; readonly min: number };
  /** Everything that was started for it. */
  readonly processes: readonly ChildProcess[];
}

/** How a poold pair is started. */
export interface PairOptions {
  readonly tls: 0 | 1;
  /** Pooled connections. */
  readonly min?: number;
  /** Flags for one side or the other. */
  readonly serverFlags?: readonly (string | number)[];
  readonly clientFlags?: readonly (string | number)[];
  /** Flags for Node. */
  readonly nodeFlags?: readonly string[];
  /** The delay of the path between the two, ms one way. */
  readonly delayMs?: number;
  readonly name?: string;
}

/** How long refills may go on inside the measured time, ms. */
const SETTLE_LIMIT_MS = 30_000;

/** The time between two looks whether a pool is at rest, ms. */
const LOOK_MS = 100;

/** Two hops of the bare pipe to the target. */
export async function barePipe(target: number): Promise<Way> {
  const [outer, inner] = [await freePort(), await freePort()];
  const second = await startNode(program('bare-pipe', inner, target), /ready/);
  const first = await startNode(program('bare-pipe', outer, inner), /ready/);
  return { name: 'bare pipe', port: outer, hops: [first, second], processes: [first, second] };
}

/** A server of a pair, and what its client needs to know. */
export interface PooldServer {
  readonly server: ChildProcess;
  /** The server, and the path to it where it has one. */
  readonly processes: readonly ChildProcess[];
  readonly visitors: number;
  /** Starts a client, and resolves when it has printed something that matches. */
  readonly startClient: (ready: RegExp) => Promise<ChildProcess>;
}

/** A poold server; its clients are yet to come. */
export async function pooldServer(target: number, options: PairOptions): Promise<PooldServer> {
  const { tls, min = 64, serverFlags = [], clientFlags = [], nodeFlags = [] } = options;
  const folder = await mkdtemp(join(tmpdir(), 'poold-bench-'));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, makeToken(), { mode: 0o600 });
  const [listen, visitors] = [await freePort(), await freePort()];
  const common = ['--token-file', tokenFile, '--tls', tls, '--log-format', 'json'];
  const command = [...nodeFlags, '--import', script('programs/probe.js'), script('../../bin/poold.js')];
  const start = (args: readonly (string | number)[], ready: RegExp): Promise<ChildProcess> =>
    startNode([...command, ...args.map(String), ...common.map(String)], ready);
  const server = await start(
    ['server', '--listen', `127.0.0.1:${listen}`, '--public', `127.0.0.1:${visitors}`, ...serverFlags],
    /"listening"/,
  );
  const processes = [server];
  let at = listen;
  if (options.delayMs !== undefined) {
    at = await freePort();
    processes.push(await startNode(program('delay', at, listen, options.delayMs), /ready/));
  }
  return {
    server,
    processes,
    visitors,
    startClient: async (ready) => {
      const client = await start(
        ['client', '--server', `127.0.0.1:${at}`, '--target', target, '--min', min, ...clientFlags],
        ready,
      );
      await rm(folder, { recursive: true });
      return client;
    },
  };
}

/** A poold pair to the target, warm. */
export async function pooldPair(target: number, options: PairOptions): Promise<Way> {
  const { server, visitors, processes, startClient } = await pooldServer(target, options);
  const client = await startClient(/"warm"/);
  const { tls, min = 64, name = `poold, TLS ${tls}` } = options;
  const pair = { server, client, min };
  return { name, port: visitors, hops: [server, client], processes: [...processes, client], pair };
}

/** Bare TLS connections, so many, both ends ready; `warm` is when the client has all. */
export async function bareTls(
  count: number,
  {
    atATime,
    flags = [],
    nodeFlags = [],
  }: { atATime: number; flags?: readonly string[]; nodeFlags?: readonly string[] },
): Promise<{ readonly server: ChildProcess; readonly client: ChildProcess }> {
  const port = await freePort();
  const probed = [...nodeFlags, '--import', script('programs/probe.js')];
  const server = await startNode([...probed, ...program('bare-tls', 'server', port)], /ready/);
  const client = await startNode([...probed, ...program('bare-tls', 'client', port, count, atATime, ...flags)], /warm/);
  return { server, client };
}

/** Pooled connections that a way has made so far. */
async function handshakes(way: Way): Promise<number> {
  return way.pair === undefined ? 0 : (await ask<Counts>(way.pair.client, 'counts')).made;
}

/** Resolves when the pool holds what it wants and makes no more. */
export async function atRest({ pair }: Way): Promise<void> {
  if (pair === undefined) return pause(2 * LOOK_MS);
  let before = -1;
  for (const end = performance.now() + SETTLE_LIMIT_MS; performance.now() < end; await pause(LOOK_MS)) {
    const { made, open, capacity } = await ask<Counts>(pair.client, 'counts');
    if (open >= Math.max(capacity, pair.min) && made === before) return;
    before = made;
  }
  throw new Error('the pool does not come to rest');
}

/** What a load cost a way. */
export interface Cost {
  /** User and system time of its hops until the pool was at rest again, ms. */
  readonly cpuMs: number;
  /** Pooled connections that were made meanwhile. */
  readonly handshakes: number;
}

/** Runs a load, and counts what it costs until the pool is at rest again. */
export async function costOf<T>(way: Way, load: () => Promise<T>): Promise<T & Cost> {
  const [cpuBefore, madeBefore] = [cpuMs(way.hops), await handshakes(way)];
  const result = await load();
  await atRest(way);
  return { ...result, cpuMs: cpuMs(way.hops) - cpuBefore, handshakes: (await handshakes(way)) - madeBefore };
}

/** Ends what was started for these ways. */
export async function stopWays(ways: readonly Way[]): Promise<void> {
  await stop(ways.flatMap(({ processes }) => processes));
}
