import { once } from 'node:events';
import test from 'ava';
import fc from 'fast-check';
import { RedisClient } from '../../examples/redis/client.ts';
import { RedisError, type Reply, respCodec } from '../../examples/redis/resp.ts';
import { startLineServer } from '../helpers/line-server.ts';
import { hasRedis, startRedis } from '../helpers/redis-server.ts';

const withRedis = hasRedis() ? test : test.skip;

/** What a server would write. */
function written(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  if (reply instanceof RedisError) return `-${reply.message}\r\n`;
  return `*${reply.length}\r\n${reply.map(written).join('')}`;
}

const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constant(null),
    fc.constant(new RedisError('ERR no')),
    fc.array(tie('reply'), { maxLength: 4 }),
  ),
}));

test('replies are the same wherever the chunks cut them', (t) => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (replies, cuts) => {
      const bytes = Buffer.from(replies.map(written).join(''));
      const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((one, other) => one - other), bytes.length];
      const decoder = respCodec.decoder();
      const read = at.flatMap<Reply>((cut, index) => Array.from(decoder.push(bytes.subarray(at[index - 1] ?? 0, cut))));
      t.deepEqual(read, replies);
    }),
  );
});

test('bytes that are no replies are refused', (t) => {
  for (const bytes of ['hello\r\n', '$9999999999\r\n', ':1x\r\n', '*1\r\n'.repeat(65), 'x'.repeat(70_000)]) {
    t.throws(() => [...respCodec.decoder().push(Buffer.from(bytes))]);
  }
});

test('replies that came whole before bytes that are none are read', (t) => {
  const read: Reply[] = [];
  const readAll = (): void => {
    for (const one of respCodec.decoder().push(Buffer.from('+OK\r\n:7\r\nhello\r\n'))) read.push(one);
  };
  t.throws(readAll, { message: /no reply begins/ });
  t.deepEqual(read, ['OK', 7]);
});

withRedis('commands of all kinds, with text and bytes beyond ASCII', async (t) => {
  await using redis = await startRedis();
  await using client = new RedisClient([redis]);
  await client.set('clef', 'ключ 🔑');
  t.is(await client.get('clef'), 'ключ 🔑');
  t.is(await client.get('nothing'), null);
  await client.set('bytes', Buffer.from('a\r\nb'));
  t.is(await client.get('bytes'), 'a\r\nb');
  t.is(await client.incr('count'), 1);
  const long = 'x'.repeat(1_000_000);
  await client.set('long', long);
  t.is(await client.get('long'), long);
  t.deepEqual(await client.command(['MGET', 'count', 'nothing']), ['1', null]);
  const error = await t.throwsAsync(client.incr('clef'), { code: 'POOLD_ERR_REQUEST_PERMANENT' });
  t.true(error?.cause instanceof RedisError);
  const { replies, failures } = await client.getMany(['clef', 'count']);
  t.deepEqual([[...replies.values()], failures.size], [['ключ 🔑', '1'], 0]);
});

withRedis('commands that would shift the replies of others are refused, and the others have theirs', async (t) => {
  await using redis = await startRedis();
  await using client = new RedisClient([redis]);
  await client.set('a', 'A');
  await client.set('b', 'B');
  const refused = [
    [],
    ['subscribe', 'x', 'y'],
    [Buffer.from('MULTI')],
    ['CLIENT', 'REPLY', 'SKIP'],
    ['BLPOP', 'x', 0],
    ['XREAD', 'block', 0, 'STREAMS', 'x', '$'],
  ];
  const asked = refused.flatMap((command) => [client.get('a'), client.command(command), client.get('b')]);
  const came = await Promise.all(asked.map((reply) => reply.catch((error: { code?: unknown }) => error.code)));
  t.deepEqual(
    came,
    refused.flatMap(() => ['A', 'POOLD_ERR_REQUEST_PERMANENT', 'B']),
  );
  t.regex(String(await client.command(['CLIENT', 'LIST'])), /^id=/);
});

test('a SET whose answer depends on what was there is not sent twice', async (t) => {
  const asked: string[] = [];
  await using server = await startLineServer(({ line, socket }) => {
    if (line.startsWith('SET')) asked.push(line);
    if (line.startsWith('end')) socket.destroy();
  });
  await using client = new RedisClient([{ host: '127.0.0.1', port: server.port }], { retry: { initialWaitMs: 1 } });
  const lock = client.command(['SET', 'lock', 'mine', 'NX', 'end']);
  await t.throwsAsync(lock, { code: 'POOLD_ERR_CONNECTION_LOST' });
  t.is(asked.length, 1);
});

withRedis('a thousand callers at once each get their own', async (t) => {
  await using redis = await startRedis();
  await using client = new RedisClient([redis], { depth: 256, maxConnections: 4 });
  const callers = Array.from({ length: 1000 }, async (_, caller) => {
    for (let round = 0; round < 10; round += 1) {
      await client.set(`key ${caller}`, `${caller}/${round}`);
      if ((await client.get(`key ${caller}`)) !== `${caller}/${round}`) return false;
    }
    return true;
  });
  t.deepEqual(new Set(await Promise.all(callers)), new Set([true]));
});

/** Runs `callers` callers who get a key until `ended`; returns how it went. */
async function load(client: RedisClient, callers: number, ended: () => boolean) {
  const counts = { done: 0, failed: 0 };
  const call = async (): Promise<void> => {
    while (!ended()) {
      try {
        await client.get('key');
        counts.done += 1;
      } catch {
        counts.failed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return counts;
}

withRedis('a restart in the middle costs less than one request in a hundred', async (t) => {
  const first = await startRedis();
  await using client = new RedisClient([first], {
    retry: { maxAttempts: 20, initialWaitMs: 50, maxWaitMs: 500 },
    breaker: { resetTimeoutMs: 200 },
  });
  let ended = false;
  const loaded = load(client, 100, () => ended);
  const answered = (more: number): Promise<unknown> => {
    const goal = client.requests.stats().answered + more;
    const enough = async (): Promise<void> => {
      while (client.requests.stats().answered < goal) await once(client.requests, 'answered');
    };
    return enough();
  };
  await answered(5000);
  await first[Symbol.asyncDispose]();
  await using second = await startRedis(first.port);
  t.is(second.port, first.port);
  await answered(5000);
  ended = true;
  const { done, failed } = await loaded;
  t.log(`${done} done, ${failed} failed, ${client.requests.stats().retries} tried again`);
  t.true(client.requests.stats().retries > 0);
  t.true(failed / (done + failed) < 0.01);
});

withRedis('when the first server dies, the second serves at once', async (t) => {
  await using first = await startRedis();
  await using second = await startRedis();
  await using client = new RedisClient([first, second], { retry: { initialWaitMs: 30_000, maxWaitMs: 30_000 } });
  await client.set('key', 'first');
  await using other = new RedisClient([second]);
  await other.set('key', 'second');
  t.is(await client.get('key'), 'first');
  let worstMs = 0;
  let value: string | null = 'first';
  first.child.kill('SIGKILL');
  // The slowest request from the kill on, its tries included, is what a caller feels of it: without a pause, milliseconds.
  for (let calls = 0; value === 'first' || calls < 100; calls += 1) {
    const startedAt = performance.now();
    value = await client.get('key');
    worstMs = Math.max(worstMs, performance.now() - startedAt);
  }
  t.is(value, 'second');
  t.log(`the slowest request took ${worstMs.toFixed(1)} ms`);
  t.true(worstMs < 2000);
});

withRedis(
  'when the first server stops and says nothing, one time-out tells, and the second serves at once',
  async (t) => {
    await using first = await startRedis();
    await using second = await startRedis();
    await using client = new RedisClient([first, second], { timeoutMs: 1000, breaker: { maxFailures: 20 } });
    await client.set('key', 'first');
    await using other = new RedisClient([second]);
    await other.set('key', 'second');
    first.child.kill('SIGSTOP');
    t.teardown(() => first.child.kill('SIGKILL'));
    const values = await Promise.all(Array.from({ length: 100 }, () => client.get('key')));
    t.deepEqual(new Set(values), new Set(['second']));
    t.is(client.requests.stats().servers[0]?.breaker, 'open');
    const { timeouts } = client.requests.stats();
    for (let calls = 0; calls < 100; calls += 1) t.is(await client.get('key'), 'second');
    t.deepEqual([timeouts, client.requests.stats().timeouts], [100, 100]);
  },
);

withRedis(
  'a server that is full, as it says in place of the first reply, has its requests go to the next one',
  async (t) => {
    await using full = await startRedis();
    await using second = await startRedis();
    await using holder = new RedisClient([full]);
    await holder.command(['CONFIG', 'SET', 'maxclients', 1]);
    await using client = new RedisClient([full, second], {
      retry: { maxAttempts: 5, initialWaitMs: 1 },
      breaker: { maxFailures: 2, resetTimeoutMs: 60_000 },
    });
    t.is(await client.get('key'), null);
    t.like(client.requests.stats().servers, [{ breaker: 'open' }, { breaker: 'closed', lines: 1 }]);
  },
);
