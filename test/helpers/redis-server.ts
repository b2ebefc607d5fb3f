/** A real redis-server, where it is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import { freePort } from './targets.ts';

/** Whether it is installed; says so loudly when it is not. */
export function hasRedis(): boolean {
  if (spawnSync('redis-server', ['--version']).error === undefined) return true;
  console.error('SKIPPED: redis-server is not installed, and requests are not shown on a real server');
  return false;
}

export interface RedisProcess extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly child: Child;
}

/** Starts one that keeps nothing on disk; resolves when it accepts. */
export async function startRedis(wanted?: number): Promise<RedisProcess> {
  const port = wanted ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), 'poold-redis-'));
  const flags = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = startChild('redis-server', args);
  await child.printed(/Ready to accept connections/);
  return {
    host: '127.0.0.1',
    port,
    child,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
