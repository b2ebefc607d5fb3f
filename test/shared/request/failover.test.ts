import test from 'ava';
import { RequestClient } from '../../../src/shared/request/request-client.ts';
import type { RequestClientOptions, RequestServer } from '../../../src/shared/request/request-options.ts';
import { manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';
import { lineCodec, type LineServer, startLineServer } from '../../helpers/line-server.ts';
import { freePort, startSilentTarget } from '../../helpers/targets.ts';
import { socketFactory } from '../../../src/shared/request/socket-factory.ts';

function clientOf(servers: readonly LineServer[], options: Partial<RequestClientOptions<string, string>> = {}) {
  return new RequestClient({ codec: lineCodec, servers: servers.map(({ server }) => server), ...options });
}

/** Answers with its name, once it is let to. */
function startNamed(name: string, port = 0, isUp = (): boolean => true): Promise<LineServer> {
  return startLineServer(({ reply }) => void (isUp() && reply(name)), { name, port });
}

test('the first server that serves has the requests; a second takes them over when it dies, and gives them back', async (t) => {
  const first = await startNamed('first');
  await using second = await startNamed('second');
  await using client = clientOf([first, second], {
    idempotent: () => true,
    breaker: { maxFailures: 2, resetTimeoutMs: 50 },
  });
  t.is(await client.request('a'), 'first');
  t.is(second.accepted, 0);
  await first[Symbol.asyncDispose]();
  t.is(await client.request('b'), 'second');
  await using back = await startNamed('first', first.port);
  let served = '';
  const ask = async (): Promise<void> => {
    while (served !== 'first') served = await client.request('c');
  };
  await ask();
  t.true(back.accepted > 0);
});

test('requests on a connection that is lost go to the other server without a pause', async (t) => {
  await using first = await startNamed('first', 0, () => false);
  await using second = await startNamed('second');
  await using client = clientOf([first, second], { retry: { initialWaitMs: 5000 }, mode: 'pipeline' });
  const reply = client.request('a', { idempotent: true });
  await until(() => first.lines.length === 1, 'it is there');
  first.dropAll();
  t.is(await reply, 'second');
});

test('a server that does not answer is left alone, tried once after the pause, and used again', async (t) => {
  let up = false;
  await using server = await startNamed('slow', 0, () => up);
  await using client = clientOf([server], {
    timeoutMs: 30,
    retry: { maxAttempts: 1 },
    breaker: { maxFailures: 2, resetTimeoutMs: 1000 },
  });
  const states: string[] = [];
  client.on('breakerChanged', ({ state }) => states.push(state));
  // On a busy machine one may time out before it is sent, which says nothing of the server.
  while (states.length === 0) await t.throwsAsync(client.request('a'), { code: 'POOLD_ERR_REQUEST_TIMEOUT' });
  const error = await t.throwsAsync(client.request('c'), { code: 'POOLD_ERR_CIRCUIT_OPEN' });
  t.true((error as { retryInMs?: number }).retryInMs !== undefined);
  t.false(server.lines.includes('c'));
  await until(() => states.includes('half-open'), 'the pause is over');
  up = true;
  const replies = ['d', 'e', 'f'].map((line) => client.request(line, { timeoutMs: 5000 }));
  t.deepEqual(await Promise.all(replies), ['slow', 'slow', 'slow']);
  t.deepEqual(states, ['open', 'half-open', 'closed']);
});

test('while one request tries a server again, the others wait for its end', async (t) => {
  let up = false;
  const held: (() => void)[] = [];
  await using server = await startLineServer(({ line, reply }) => void (up ? held.push(() => reply(line)) : undefined));
  await using client = clientOf([server], {
    timeoutMs: 30,
    retry: { maxAttempts: 1 },
    mode: 'pipeline',
    breaker: { maxFailures: 1, resetTimeoutMs: 20 },
  });
  while (client.stats().servers[0]?.breaker === 'closed') await t.throwsAsync(client.request('a'));
  await until(() => client.stats().servers[0]?.breaker === 'half-open', 'it may be tried');
  up = true;
  const replies = ['b', 'c', 'd'].map((line) => client.request(line, { timeoutMs: 5000 }));
  await until(() => held.length === 1, 'the first is there');
  t.is(client.stats().queued, 2);
  held.pop()?.();
  await until(() => held.length === 2, 'so are the others');
  for (const answer of held) answer();
  t.deepEqual(await Promise.all(replies), ['b', 'c', 'd']);
});

test('a server that says it cannot is left alone after so many times', async (t) => {
  await using first = await startLineServer(({ reply }) => reply('-loading'), { name: 'first' });
  await using second = await startNamed('second');
  await using client = clientOf([first, second], {
    retry: { initialWaitMs: 1 },
    breaker: { maxFailures: 3, resetTimeoutMs: 60_000 },
  });
  await t.throwsAsync(client.request('a'), { code: 'POOLD_ERR_REQUEST_TRANSIENT' });
  t.is(await client.request('b'), 'second');
  t.is(first.lines.length, 3);
});

test('when no server can be reached, those who wait hear why', async (t) => {
  const ports = [await freePort(), await freePort()];
  const servers = await Promise.all(ports.map((port, index) => startNamed(`s${index}`, port)));
  const client = clientOf(servers, { retry: { maxAttempts: 2, initialWaitMs: 1 } });
  for (const server of servers) await server[Symbol.asyncDispose]();
  const error = await t.throwsAsync(client.request('a'), {
    code: 'POOLD_ERR_REQUEST_TRANSIENT',
    message: /cannot be reached: .*ECONNREFUSED/,
  });
  t.like(error, { sent: false });
  client.destroy();
});

for (const mode of ['single', 'pipeline'] as const) {
  test(`a server that has stopped to answer loses its requests to the next one at once, and is asked again later: ${mode}`, async (t) => {
    let up = false;
    await using first = await startNamed('first', 0, () => up);
    await using second = await startNamed('second');
    const time = manualClock();
    await using client = clientOf([first, second], {
      mode,
      timeoutMs: 100,
      idempotent: () => true,
      retry: { initialWaitMs: 30_000, maxWaitMs: 30_000 },
      breaker: { resetTimeoutMs: 300 },
      clock: time.clock,
    });
    const asked = client.request('a');
    await until(() => first.lines.length === 1, 'it is there');
    await time.advance(120);
    t.is(await asked, 'second');
    for (let request = 0; request < 3; request += 1) t.is(await client.request('b'), 'second');
    t.is(first.lines.length, 1);
    up = true;
    await time.advance(300);
    let served = '';
    const ask = async (): Promise<void> => {
      while (served !== 'first') served = await client.request('c');
    };
    await ask();
    t.like(client.stats(), { failed: 0, timeouts: 1 });
    client.destroy();
  });

  test(`a signal that times out says of a server what a time-out does: ${mode}`, async (t) => {
    await using mute = await startNamed('mute', 0, () => false);
    await using second = await startNamed('second');
    const time = manualClock();
    await using client = clientOf([mute, second], { mode, clock: time.clock });
    const leaving = new AbortController();
    const left = t.throwsAsync(client.request('a', { signal: leaving.signal }), { any: true, name: 'TimeoutError' });
    await until(() => mute.lines.length === 1, 'it is there');
    // As that of AbortSignal.timeout does.
    leaving.abort(new DOMException('too late', 'TimeoutError'));
    await left;
    await time.advance(10);
    t.is(await client.request('b'), 'second');
    t.is(mute.lines.length, 1);
    client.destroy();
  });

  test(`a trial that its caller leaves, or that cannot be written, leaves the next one its try: ${mode}`, async (t) => {
    let broken = true;
    await using server = await startLineServer(({ line, socket, reply }) => {
      if (broken) socket.destroy();
      else if (line !== 'slow') reply(line);
    });
    await using client = clientOf([server], {
      mode,
      retry: { maxAttempts: 1 },
      breaker: { maxFailures: 1, resetTimeoutMs: 500 },
    });
    await t.throwsAsync(client.request('a'), { code: 'POOLD_ERR_CONNECTION_LOST' });
    broken = false;
    await until(() => client.stats().servers[0]?.breaker === 'half-open', 'it may be tried');
    await t.throwsAsync(client.request('two\nlines'), { code: 'POOLD_ERR_REQUEST_PERMANENT' });
    if (mode === 'single') {
      const leaving = new AbortController();
      const left = t.throwsAsync(client.request('slow', { signal: leaving.signal }), { message: 'left' });
      await until(() => server.lines.includes('slow'), 'the trial is there');
      leaving.abort(new Error('left'));
      await left;
      await until(() => server.sockets.size === 0, 'its connection is closed');
    }
    t.is(await client.request('b'), 'b');
    t.is(client.stats().servers[0]?.breaker, 'closed');
  });
}

test('a circuit that opens while a connect is under way keeps nobody: the next server is asked', async (t) => {
  await using mute = await startNamed('mute', 0, () => false);
  await using second = await startNamed('second');
  const { name, factory } = mute.server;
  const time = manualClock();
  let made = 0;
  const create: typeof factory.create = (context) => {
    made += 1;
    return made === 1 ? factory.create(context) : new Promise(() => {});
  };
  const stuck = { name, factory: { ...factory, create } };
  const clientWith = (servers: readonly RequestServer[]) =>
    new RequestClient({
      codec: lineCodec,
      servers,
      mode: 'pipeline',
      depth: 2,
      timeoutMs: 100,
      idempotent: () => true,
      retry: { maxAttempts: servers.length },
      breaker: { maxFailures: 2, resetTimeoutMs: 60_000 },
      clock: time.clock,
    });
  /** Two on the connection that was made, and one that waits for the next. */
  const askThree = async (client: RequestClient<string, string>) => {
    const { length } = mute.lines;
    const replies = ['a', 'b', 'c'].map((line) => client.request(line).catch(({ code }: { code: string }) => code));
    await until(() => mute.lines.length === length + 2 && made === 2, 'they are there');
    await time.advance(120);
    t.like(client.stats().servers[0], { breaker: 'open', opening: 1 });
    return replies;
  };
  const alone = clientWith([stuck]);
  t.deepEqual(new Set(await Promise.all(await askThree(alone))), new Set(['POOLD_ERR_REQUEST_TIMEOUT']));
  await t.throwsAsync(alone.request('d'), { code: 'POOLD_ERR_CIRCUIT_OPEN' });
  alone.destroy();
  made = 0;
  const both = clientWith([stuck, second.server]);
  const replies = await askThree(both);
  await time.advance(150);
  t.deepEqual(await Promise.all(replies), ['second', 'second', 'second']);
  both.destroy();
});

test('while one request tries a server again, the others go to the next one', async (t) => {
  let mute = false;
  await using first = await startLineServer(({ socket }) => void (mute || socket.destroy()), { name: 'first' });
  await using second = await startNamed('second');
  const time = manualClock();
  await using client = clientOf([first, second], {
    mode: 'pipeline',
    timeoutMs: 0,
    totalTimeoutMs: 0,
    idempotent: () => true,
    breaker: { maxFailures: 1, resetTimeoutMs: 3000 },
    clock: time.clock,
  });
  t.is(await client.request('a'), 'second');
  mute = true;
  await time.advance(3000);
  const asked: Promise<unknown>[] = [];
  const isTried = (): boolean => {
    if (first.lines.length === 1) asked.push(client.request('b').catch(({ code }: { code: string }) => code));
    return first.lines.length === 2;
  };
  await until(isTried, 'the first is tried');
  await time.advance(2000);
  t.like(client.stats().servers, [{ breaker: 'half-open', lines: 1 }, { lines: 0 }]);
  t.deepEqual(await Promise.all(['c', 'd'].map((line) => client.request(line))), ['second', 'second']);
  t.is(first.lines.length, 2);
  client.destroy();
  const codes = await Promise.all(asked);
  t.is(codes.filter((code) => code === 'POOLD_ERR_POOL_CLOSED').length, 1);
});

test('a server that never accepts keeps the requests from the next one for no longer than one time-out', async (t) => {
  await using silent = await startSilentTarget();
  await using second = await startNamed('second');
  const servers = [{ name: 'silent', factory: socketFactory({ host: '127.0.0.1', port: silent.port }) }, second.server];
  await using client = new RequestClient({ codec: lineCodec, servers, retry: { initialWaitMs: 1 } });
  const error = await t.throwsAsync(client.request('a', { timeoutMs: 50, totalTimeoutMs: 50 }), {
    code: 'POOLD_ERR_REQUEST_TIMEOUT',
    message: /no connection had room/,
  });
  t.like(error, { sent: false });
  t.is(await client.request('b', { totalTimeoutMs: 4000 }), 'second');
});
