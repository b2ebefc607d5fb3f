/**
 * A small Redis client: pipelining, time-outs, retries, a circuit breaker and failover come from `poold/request`, and what is
 * Redis's own is in `resp.ts`. Not for commands that block, subscribe or belong together (MULTI): connections are shared.
 * Replies are read as UTF-8 only: what else is stored comes back changed.
 */
import {
  PermanentRequestError,
  RequestClient,
  type RequestClientOptions,
  type RequestOptions,
  socketFactory,
} from 'poold/request';
import { type Command, type Reply, respCodec } from './resp.ts';

/** Where a server is. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
}

/** Commands that leave the same when they are done twice. */
const IDEMPOTENT = new Set(['PING', 'GET', 'MGET', 'SET', 'DEL', 'EXISTS', 'HGET', 'HSET', 'STRLEN', 'TTL', 'DBSIZE']);

/** What would shift the replies of others on the same connection, hold them up, or change what their commands mean. */
const REFUSED = new Set(
  [
    'SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MONITOR SYNC PSYNC',
    'MULTI EXEC DISCARD WATCH UNWATCH SELECT HELLO RESET QUIT',
    'BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF',
  ].flatMap((names) => names.split(' ')),
);

/** Those that block where they are told to. */
const MAY_BLOCK = new Set(['XREAD', 'XREADGROUP']);

function wordOf(part: Command[number] = ''): string {
  return (typeof part === 'object' ? Buffer.from(part).toString('latin1') : String(part)).toUpperCase();
}

/** The answer of a SET with NX or GET depends on what was there: a second one would hear of the first. */
function isIdempotent(command: Command): boolean {
  // Mostly as it is written in the list.
  if (command[0] === 'GET') return true;
  const name = wordOf(command[0]);
  return IDEMPOTENT.has(name) && (name !== 'SET' || command.length === 3);
}

export class RedisClient implements AsyncDisposable {
  /** For `stats()` and events. */
  readonly requests: RequestClient<Command, Reply>;

  /** @param servers the first that serves has the commands */
  constructor(
    servers: readonly RedisServer[],
    options: Omit<RequestClientOptions<Command, Reply>, 'codec' | 'servers' | 'idempotent'> = {},
  ) {
    this.requests = new RequestClient<Command, Reply>({
      name: 'redis',
      mode: 'pipeline',
      ...options,
      codec: respCodec,
      servers: servers.map(({ host, port }) => ({
        name: `${host}:${port}`,
        factory: socketFactory({ host, port }),
      })),
      idempotent: isIdempotent,
    });
  }

  /**
   * Any command that may share its connection; its reply as Redis gives it. An error of Redis rejects, as the cause of a
   * `PermanentRequestError`.
   */
  command(command: Command, options?: RequestOptions): Promise<Reply> {
    const name = wordOf(command[0]);
    const isOff = name === 'CLIENT' && wordOf(command[1]) === 'REPLY';
    const isBlocking = MAY_BLOCK.has(name) && command.some((part) => wordOf(part) === 'BLOCK');
    if (REFUSED.has(name) || isOff || isBlocking) {
      const refusal = `${name} cannot share a connection; take a ResourcePool of sockets for it`;
      return Promise.reject(new PermanentRequestError(refusal));
    }
    return this.requests.request(command, options);
  }

  // Its promise is the request's own: another one would cost a tenth of it.
  get(key: string): Promise<string | null> {
    return this.requests.request(['GET', key]) as Promise<string | null>;
  }

  async set(key: string, value: string | number | Uint8Array): Promise<void> {
    await this.requests.request(['SET', key, value]);
  }

  async incr(key: string): Promise<number> {
    return (await this.requests.request(['INCR', key])) as number;
  }

  /** What the keys hold, as far as it can be had, and why not for the others. */
  getMany(keys: Iterable<string>): ReturnType<typeof this.requests.requestMany<string>> {
    return this.requests.requestMany(keys, (key) => ['GET', key]);
  }

  close(): Promise<void> {
    return this.requests.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
