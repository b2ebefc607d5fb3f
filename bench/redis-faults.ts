/** What a caller feels when the server behind `RedisClient` is restarted, or dies while a second one is there. */
import { once } from 'node:events';
import { RedisClient } from '../examples/redis/client.ts';
import { startRedis } from '../test/helpers/redis-server.ts';

/** How one went. */
export interface Fault {
  readonly done: number;
  readonly failed: number;
  /** From the moment the client knows of the loss to the first reply of who serves then, ms. */
  readonly pauseMs: number;
  /** The longest that one request took, its tries included, ms. */
  readonly slowestMs: number;
}

/** Requests before and after, for each caller on average. */
const ROUNDS = 100;

/** `callers` get keys all the time; `fault` is what happens meanwhile, and `back` tells a reply of who serves afterwards. */
async function underLoad(
  client: RedisClient,
  callers: number,
  fault: () => Promise<unknown>,
  back: (value: string | null) => boolean,
): Promise<Fault> {
  const run = { done: 0, failed: 0, slowestMs: 0, ended: false, lostAt: 0, backAt: 0 };
  client.requests.once('lineEnded', () => {
    run.lostAt = performance.now();
  });
  const call = async (): Promise<void> => {
    while (!run.ended) {
      const startedAt = performance.now();
      try {
        const value = await client.get('key');
        run.done += 1;
        if (run.lostAt > 0 && run.backAt === 0 && back(value)) run.backAt = performance.now();
      } catch {
        run.failed += 1;
      }
      run.slowestMs = Math.max(run.slowestMs, performance.now() - startedAt);
    }
  };
  const loaded = Promise.all(Array.from({ length: callers }, call));
  const answered = async (): Promise<void> => {
    const goal = run.done + callers * ROUNDS;
    for (; run.done < goal; ) await once(client.requests, 'answered');
  };
  await answered();
  run.slowestMs = 0;
  await fault();
  await answered();
  run.ended = true;
  await loaded;
  const { done, failed, slowestMs, lostAt, backAt } = run;
  return { done, failed, slowestMs, pauseMs: backAt - lostAt };
}

/** The server is killed and started again, under load. */
export async function measureRestart(callers: number): Promise<Fault> {
  const first = await startRedis();
  const { port } = first;
  await using client = new RedisClient([first], {
    retry: { maxAttempts: 20, initialWaitMs: 50, maxWaitMs: 500 },
    breaker: { resetTimeoutMs: 200 },
  });
  const again: { end?: () => PromiseLike<void> } = {};
  const restart = async (): Promise<void> => {
    await first[Symbol.asyncDispose]();
    const second = await startRedis(port);
    again.end = () => second[Symbol.asyncDispose]();
  };
  const fault = await underLoad(client, callers, restart, () => true);
  await again.end?.();
  return fault;
}

/** The first of two servers is killed, under load. */
export async function measureFailover(callers: number): Promise<Fault> {
  await using first = await startRedis();
  await using second = await startRedis();
  await using other = new RedisClient([second]);
  await other.set('key', 'second');
  await using client = new RedisClient([first, second]);
  const kill = (): Promise<void> => {
    first.child.kill('SIGKILL');
    return Promise.resolve();
  };
  return await underLoad(client, callers, kill, (value) => value === 'second');
}
