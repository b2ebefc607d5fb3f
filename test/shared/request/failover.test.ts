import test from 'ava';
import { RequestClient } from '../../../src/shared/request/request-client.ts';
import type { RequestClientOptions } from '../../../src/shared/request/request-options.ts';
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
