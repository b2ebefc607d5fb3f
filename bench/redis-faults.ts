/** What callers feel when the server behind a Redis client is restarted, or dies while a second one is there. */
import { Redis } from 'ioredis';
import { RedisClient } from '../examples/redis/client.ts';
import { type RedisProcess, startRedis } from '../test/helpers/redis-server.ts';

/** How one went. */
export interface Fault {
  readonly done: number;
  readonly failed: number;
  /** From the moment the client knows that its server is lost to the first reply of who serves then, ms. */
  readonly pauseMs: number;
  /** The longest that one request took, its tries included, ms. */
  readonly slowestMs: number;
}

/** A client, as far as it is watched. */
interface Watched {
  readonly get: (key: string) => Promise<string | null>;
  /** Calls once when it knows that its server is lost. */
  readonly onLost: (heard: () => void) => void;
  readonly end: () => unknown;
}

/** Requests before and after, for each caller on average. */
const ROUNDS = 100;

/** `callers` get keys all the time; `fault` is what happens meanwhile, and `back` tells a reply of who serves afterwards. */
async function underLoad(
  { get, onLost }: Watched,
  callers: number,
  fault: () => Promise<unknown>,
  back: (value: string | null) => boolean,
): Promise<Fault> {
  const run = { done: 0, failed: 0, slowestMs: 0, ended: false, lostAt: 0, backAt: 0 };
  let goal = { done: Infinity, reached: (): void => {} };
  onLost(() => {
    run.lostAt ||= performance.now();
  });
  const call = async (): Promise<void> => {
    while (!run.ended) {
      const startedAt = performance.now();
      try {
        const value = await get('key');
        run.done += 1;
        if (run.lostAt > 0 && run.backAt === 0 && back(value)) run.backAt = performance.now();
      } catch {
        run.failed += 1;
      }
      run.slowestMs = Math.max(run.slowestMs, performance.now() - startedAt);
      if (run.done >= goal.done) goal.reached();
    }
  };
  const loaded = Promise.all(Array.from({ length: callers }, call));
  const answered = (): Promise<void> =>
    new Promise((reached) => {
      goal = { done: run.done + callers * ROUNDS, reached };
    });
  await answered();
  run.slowestMs = 0;
  await fault();
  await answered();
  run.ended = true;
  await loaded;
  const { done, failed, slowestMs, lostAt, backAt } = run;
  return { done, failed, slowestMs, pauseMs: backAt - lostAt };
}

function watchPoold(servers: readonly RedisProcess[], options?: ConstructorParameters<typeof RedisClient>[1]): Watched {
  const client = new RedisClient(servers, options);
  return {
    get: (key) => client.get(key),
    onLost: (heard) => {
      client.requests.once('lineEnded', heard).once('breakerChanged', heard);
    },
    end: () => client.close(),
  };
}

/** Both ask so often, and pause as long at first. */
const PATIENCE = { tries: 20, pauseMs: 50 };

/** ioredis, told to try commands again: it asks any command twice, where poold asks those that may be. */
function watchIoredis({ port }: RedisProcess): Watched {
  const client = new Redis({
    port,
    enableAutoPipelining: true,
    maxRetriesPerRequest: PATIENCE.tries,
    retryStrategy: () => PATIENCE.pauseMs,
  });
  // What is lost is told by `close`.
  client.on('error', () => {});
  return {
    get: (key) => client.get(key),
    onLost: (heard) => client.once('close', heard),
    end: () => client.disconnect(),
  };
}

/** The server is killed and started again, under load. */
async function measureRestart(callers: number, watch: (server: RedisProcess) => Watched): Promise<Fault> {
  const first = await startRedis();
  const client = watch(first);
  let second: RedisProcess | undefined;
  const restart = async (): Promise<void> => {
    await first[Symbol.asyncDispose]();
    second = await startRedis(first.port);
  };
  const fault = await underLoad(client, callers, restart, () => true);
  await client.end();
  await second?.[Symbol.asyncDispose]();
  return fault;
}

/** How long a try may take where a server is stopped, ms. */
const PATIENCE_MS = 200;

/** The first of two servers is killed, or stopped so that it says nothing any more, under load. */
async function measureFailover(callers: number, signal: 'SIGKILL' | 'SIGSTOP'): Promise<Fault> {
  await using first = await startRedis();
  await using second = await startRedis();
  await using other = new RedisClient([second]);
  await other.set('key', 'second');
  const client = watchPoold([first, second], { timeoutMs: signal === 'SIGSTOP' ? PATIENCE_MS : 5000 });
  const kill = (): Promise<void> => {
    first.child.kill(signal);
    return Promise.resolve();
  };
  const fault = await underLoad(client, callers, kill, (value) => value === 'second');
  await client.end();
  first.child.kill('SIGKILL');
  return fault;
}

const { tries: maxAttempts, pauseMs: initialWaitMs } = PATIENCE;
const PATIENT = {
  retry: { maxAttempts, initialWaitMs, maxWaitMs: 500 },
  breaker: { resetTimeoutMs: 200 },
};

/** Each fault, by what happens and to whom. ioredis knows no second server but by Redis's own Sentinel. */
export const FAULTS: readonly { readonly name: string; readonly measure: (callers: number) => Promise<Fault> }[] = [
  {
    name: 'poold, the server is killed and started again',
    measure: (callers) => measureRestart(callers, (server) => watchPoold([server], PATIENT)),
  },
  {
    name: 'ioredis, the server is killed and started again',
    measure: (callers) => measureRestart(callers, watchIoredis),
  },
  {
    name: 'poold, the first of two servers is killed',
    measure: (callers) => measureFailover(callers, 'SIGKILL'),
  },
  {
    name: `poold, the first of two servers stops to answer (timeoutMs ${PATIENCE_MS})`,
    measure: (callers) => measureFailover(callers, 'SIGSTOP'),
  },
];
