import { getEventListeners, once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import test from 'ava';
import type { Codec } from '../../../src/shared/request/codec.ts';
import { RequestClient } from '../../../src/shared/request/request-client.ts';
import type { RequestClientOptions } from '../../../src/shared/request/request-options.ts';
import { socketFactory } from '../../../src/shared/request/socket-factory.ts';
import { type ManualClock, manualClock } from '../../helpers/clock.ts';
import { until } from '../../helpers/events.ts';
import { type Asked, lineCodec, type LineServer, numberedCodec, startLineServer } from '../../helpers/line-server.ts';
import { startTarget } from '../../helpers/targets.ts';

function clientOf(servers: readonly LineServer[], options: Partial<RequestClientOptions<string, string>> = {}) {
  return new RequestClient({ codec: lineCodec, servers: servers.map(({ server }) => server), ...options });
}

/** A server that answers nothing by itself, and what it was asked. */
async function startHolding(name = 'server') {
  const asked: Asked[] = [];
  const server = await startLineServer((one) => void asked.push(one), { name });
  const come = (count: number): Promise<void> => until(() => asked.length >= count, `${count} lines have come`);
  /** Answers the next that has come with itself. */
  const answer = (count = 1): void => {
    for (const { line, reply } of asked.splice(0, count)) reply(line);
  };
  return { server, asked, come, answer, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** One connection for all, by numbers, and time that the test drives. */
function multiplexed(
  held: Awaited<ReturnType<typeof startHolding>>,
  { clock }: ManualClock,
  options: Partial<RequestClientOptions<string, { id: number; text: string }>> = {},
) {
  const servers = [held.server.server];
  return new RequestClient({ codec: numberedCodec, servers, mode: 'multiplex', maxConnections: 1, clock, ...options });
}

const twenty = Array.from({ length: 20 }, (_, index) => `r${index}`);

test('one at a time: no connection has two requests, and what is beyond them waits', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { maxConnections: 2 });
  const replies = ['a', 'b', 'c'].map((line) => client.request(line));
  await held.come(2);
  await until(() => client.stats().queued === 1, 'the third waits');
  t.is(held.server.accepted, 2);
  held.answer(2);
  await held.come(1);
  held.answer();
  t.deepEqual(await Promise.all(replies), ['a', 'b', 'c']);
});

test('in a pipeline all requests of a turn leave in one write, and each gets its own reply', async (t) => {
  await using server = await startLineServer();
  await using client = clientOf([server], { mode: 'pipeline' });
  await client.request('first');
  const { reads } = server;
  t.deepEqual(await Promise.all(twenty.map((line) => client.request(line))), twenty);
  t.is(server.reads - reads, 1);
  t.is(server.accepted, 1);
});

test('no connection has more than its depth, and others are made for the rest', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { mode: 'pipeline', depth: 8, maxConnections: 2 });
  const replies = twenty.map((line) => client.request(line));
  await held.come(16);
  t.is(client.stats().queued, 4);
  t.deepEqual(
    [...held.server.sockets].map((socket) => held.asked.filter((one) => one.socket === socket).length),
    [8, 8],
  );
  held.answer(16);
  await held.come(4);
  held.answer(4);
  t.deepEqual(await Promise.all(replies), twenty);
});

test('multiplexed replies find their requests in any order', async (t) => {
  await using held = await startHolding();
  await using client = new RequestClient({ codec: numberedCodec, servers: [held.server.server], mode: 'multiplex' });
  const replies = twenty.map(async (line) => (await client.request(line)).text);
  await held.come(20);
  held.asked.reverse();
  held.answer(20);
  t.deepEqual(await Promise.all(replies), twenty);
  t.is(held.server.accepted, 1);
});

test('numbers that the protocol has no more room for begin again, past those under way', async (t) => {
  await using held = await startHolding();
  const codec = { ...numberedCodec, maxId: 3 };
  await using client = new RequestClient({ codec, servers: [held.server.server], mode: 'multiplex', depth: 3 });
  const first = client.request('slow');
  await held.come(1);
  const [slow] = held.asked.splice(0);
  for (const line of ['a', 'b', 'c', 'd']) {
    const reply = client.request(line);
    await held.come(1);
    held.answer();
    t.is((await reply).text, line);
  }
  slow?.reply(slow.line);
  t.is((await first).text, 'slow');
});

test('multiplexed replies that never come cost a connection its room, another takes its place, and it is closed', async (t) => {
  await using held = await startHolding();
  const time = manualClock();
  const client = multiplexed(held, time, { depth: 4 });
  const patient = client.request('patient', { timeoutMs: 60_000, totalTimeoutMs: 60_000 });
  await held.come(1);
  const [asked] = held.asked;
  const ask = async (line: string, come: number): Promise<void> => {
    const failed = t.throwsAsync(client.request(line, { timeoutMs: 80 }), { code: 'POOLD_ERR_REQUEST_TIMEOUT' });
    await held.come(come);
    await time.advance(100);
    await failed;
  };
  await ask('a', 2);
  await ask('b', 3);
  t.like(client.stats().servers[0], { lines: 1, inFlight: 3 });
  // Half of its depth is overdue: it takes no more.
  const next = client.request('next', { timeoutMs: 60_000, totalTimeoutMs: 60_000 });
  await held.come(4);
  t.not(held.asked[3]?.socket, asked?.socket);
  held.asked.splice(0, 3);
  held.answer();
  t.is((await next).text, 'next');
  asked?.reply(asked.line);
  t.is((await patient).text, 'patient');
  // Nobody waits for anything on it.
  await until(() => held.server.sockets.size === 1, 'it is closed');
  t.like(client.stats().servers[0], { lines: 1, pool: { max: 1 } });
  t.is(held.server.accepted, 2);
  client.destroy();
});

test('a connection that takes no more because of overdue replies has those who wait go to another at once', async (t) => {
  await using held = await startHolding();
  const time = manualClock();
  const client = multiplexed(held, time, { depth: 4, timeoutMs: 80, retry: { maxAttempts: 1 } });
  const patient = ['a', 'b'].map((line) => client.request(line, { timeoutMs: 60_000, totalTimeoutMs: 60_000 }));
  const late = ['c', 'd'].map((line) => reject(client.request(line)));
  await held.come(4);
  const waiting = client.request('next', { timeoutMs: 60_000, totalTimeoutMs: 60_000 });
  await time.advance(100);
  t.deepEqual(await Promise.all(late), ['POOLD_ERR_REQUEST_TIMEOUT', 'POOLD_ERR_REQUEST_TIMEOUT']);
  await held.come(5);
  held.answer(5);
  const texts = (await Promise.all([...patient, waiting])).map(({ text }) => text);
  t.deepEqual(texts, ['a', 'b', 'next']);
  client.destroy();
});

test('an aborted request in a pipeline leaves the others their replies', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { mode: 'pipeline' });
  const leaving = new AbortController();
  const replies = [client.request('a'), client.request('c')];
  const aborted = t.throwsAsync(client.request('b', { signal: leaving.signal }), { message: 'left' });
  replies.push(client.request('d'));
  await held.come(4);
  leaving.abort(new Error('left'));
  await aborted;
  held.answer(4);
  t.deepEqual([...(await Promise.all(replies)), await after(client, held)], ['a', 'c', 'd', 'after']);
  t.like(client.stats(), { requests: 5, answered: 4, aborted: 1 });
  t.is(held.server.accepted, 1);
});

async function after(client: RequestClient<string, string>, held: Awaited<ReturnType<typeof startHolding>>) {
  const reply = client.request('after');
  await held.come(1);
  held.answer();
  return await reply;
}

test('one signal for many requests has one listener, and none once they are over', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { mode: 'pipeline' });
  const leaving = new AbortController();
  const { signal } = leaving;
  const listeners = (): number => getEventListeners(signal, 'abort').length;
  const replies = twenty.map((line) => client.request(line, { signal }));
  t.is(listeners(), 1);
  await held.come(20);
  held.answer(20);
  await Promise.all(replies);
  t.is(listeners(), 0);
  const left = twenty.map((line) => t.throwsAsync(client.request(line, { signal }), { message: 'left' }));
  leaving.abort(new Error('left'));
  await Promise.all(left);
  t.is(listeners(), 0);
  t.like(client.stats(), { answered: 20, aborted: 20, queued: 0 });
});

test('a request that is aborted while it waits is never sent', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { maxConnections: 1 });
  const first = client.request('a');
  await held.come(1);
  const leaving = new AbortController();
  const second = t.throwsAsync(client.request('b', { signal: leaving.signal }), { message: 'left' });
  leaving.abort(new Error('left'));
  await second;
  await t.throwsAsync(client.request('c', { signal: leaving.signal }), { message: 'left' });
  held.answer();
  await first;
  t.is(await after(client, held), 'after');
  t.deepEqual(held.server.lines, ['a', 'after']);
});

test('a time-out in a pipeline shifts no reply, and nobody waits behind it', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { mode: 'pipeline' });
  await after(client, held);
  const slow = client.request('slow', { timeoutMs: 100 });
  const patient = client.request('patient');
  const error = await t.throwsAsync(slow, {
    code: 'POOLD_ERR_REQUEST_TIMEOUT',
    message: /has not answered within 100 ms/,
  });
  t.like(error, { kind: 'timeout', sent: true });
  const next = client.request('next');
  await until(() => held.server.accepted === 2, 'the next one has a connection of its own');
  await held.come(3);
  held.answer(3);
  t.deepEqual([await patient, await next], ['patient', 'next']);
});

test('a connection that owes nobody anything but late replies is closed', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { mode: 'pipeline' });
  await t.throwsAsync(client.request('slow', { timeoutMs: 40 }), { code: 'POOLD_ERR_REQUEST_TIMEOUT' });
  await until(() => held.server.sockets.size === 0, 'the connection is closed');
  held.asked.length = 0;
  t.is(await after(client, held), 'after');
});

test('one at a time, an aborted request that was sent costs its connection at once', async (t) => {
  await using held = await startHolding();
  const time = manualClock();
  const client = clientOf([held.server], { maxConnections: 1, clock: time.clock });
  const leaving = new AbortController();
  const left = t.throwsAsync(client.request('slow', { signal: leaving.signal }), { message: 'left' });
  await held.come(1);
  leaving.abort(new Error('left'));
  await left;
  await time.advance(10);
  t.is(client.stats().servers[0]?.lines, 0);
  held.asked.length = 0;
  t.is(await after(client, held), 'after');
  t.is(held.server.accepted, 2);
  client.destroy();
});

test('an idempotent request that timed out is tried again, and its late reply is nobody else’s', async (t) => {
  let tries = 0;
  await using server = await startLineServer(({ line, reply }) => {
    tries += 1;
    if (tries > 1) reply(line);
  });
  await using client = clientOf([server], { retry: { initialWaitMs: 1, maxAttempts: 100 } });
  t.is(await client.request('again', { timeoutMs: 100, idempotent: true }), 'again');
  t.like(client.stats(), { answered: 1, failed: 0 });
  t.true(client.stats().retries > 0);
});

test('the time for all tries holds over all tries', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { retry: { initialWaitMs: 1, maxAttempts: 100 } });
  const request = client.request('slow', { timeoutMs: 40, totalTimeoutMs: 100, idempotent: true });
  await t.throwsAsync(request, { code: 'POOLD_ERR_REQUEST_TIMEOUT' });
  t.true(held.server.lines.length < 10);
});

test('a request that was written is not sent again unless it may be done twice', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { mode: 'pipeline', retry: { initialWaitMs: 1 } });
  const once = t.throwsAsync(client.request('once'), { code: 'POOLD_ERR_CONNECTION_LOST', message: /idempotent/ });
  const twice = client.request('twice', { idempotent: true });
  await held.come(2);
  held.asked.length = 0;
  held.server.dropAll();
  t.like(await once, { kind: 'connection-closed', sent: true });
  await held.come(1);
  held.answer();
  t.is(await twice, 'twice');
  t.deepEqual(held.server.lines, ['once', 'twice', 'twice']);
});

test('a server that is away is tried again for a request that was never written', async (t) => {
  const first = await startLineServer();
  await using client = clientOf([first], { retry: { maxAttempts: 20, initialWaitMs: 10, maxWaitMs: 50 } });
  t.is(await client.request('a'), 'a');
  const { port } = first;
  await first[Symbol.asyncDispose]();
  await until(() => client.stats().servers[0]?.lines === 0, 'the connection is known to be gone');
  const waiting = client.request('b');
  await until(() => client.stats().retries > 0, 'it was tried');
  await using second = await startLineServer(undefined, { port });
  t.is(await waiting, 'b');
  t.is(second.accepted, 1);
});

test('nothing is written to a connection that is known to be broken', async (t) => {
  await using server = await startLineServer();
  const { name, factory } = server.server;
  let asked: Promise<unknown> | undefined;
  const create: typeof factory.create = async (context) => {
    const socket = await factory.create(context);
    // Between its error and its 'close'.
    socket.once('error', () => {
      asked = reject(client.request('once'));
    });
    return socket;
  };
  const servers = [{ name, factory: { ...factory, create } }];
  await using client = new RequestClient({ codec: lineCodec, servers, mode: 'pipeline' });
  await client.request('a');
  for (const socket of server.sockets) socket.resetAndDestroy();
  await until(() => asked !== undefined, 'the error has come');
  t.is(await asked, 'once');
});

test('a transient answer is tried again, a permanent one is not', async (t) => {
  let busy = 2;
  await using server = await startLineServer(({ line, reply }) => {
    if (line === 'never') return reply('!unknown command');
    busy -= 1;
    reply(busy >= 0 ? '-busy' : line);
  });
  await using client = clientOf([server], { retry: { initialWaitMs: 1 } });
  t.is(await client.request('a'), 'a');
  const error = await t.throwsAsync(client.request('never'), {
    code: 'POOLD_ERR_REQUEST_PERMANENT',
    message: /unknown command/,
  });
  t.like(error, { kind: 'permanent' });
  busy = 3;
  await t.throwsAsync(client.request('b'), { code: 'POOLD_ERR_REQUEST_TRANSIENT', message: /busy/ });
  t.like(client.stats(), { retries: 4, failed: 2 });
});

test('a request that the codec cannot write fails alone', async (t) => {
  await using server = await startLineServer();
  await using client = clientOf([server], { mode: 'pipeline' });
  const first = client.request('a');
  const bad = t.throwsAsync(client.request('two\nlines'), { code: 'POOLD_ERR_REQUEST_PERMANENT', message: /one line/ });
  t.deepEqual(await Promise.all([first, client.request('b')]), ['a', 'b']);
  await bad;
});

test('the place of a request that cannot be written is the next one’s', async (t) => {
  await using server = await startLineServer();
  const time = manualClock();
  const client = clientOf([server], { maxConnections: 1, clock: time.clock });
  const bad = reject(client.request('two\nlines'));
  t.is(await client.request('good'), 'good');
  t.is(await bad, 'POOLD_ERR_REQUEST_PERMANENT');
  client.destroy();
});

test('failures among successes are not in a row, also where they come in one turn', async (t) => {
  await using server = await startLineServer(({ line, reply }) => reply(line.startsWith('bad') ? '-busy' : line));
  await using client = clientOf([server], { mode: 'pipeline', retry: { maxAttempts: 1 }, breaker: { maxFailures: 3 } });
  const ask = (lines: readonly string[]): Promise<unknown> =>
    Promise.all(lines.map((line) => reject(client.request(line))));
  await ask(['bad1', 'good', 'bad2', 'bad3', 'good', 'bad4', 'bad5']);
  t.is(client.stats().servers[0]?.breaker, 'closed');
  await ask(['good', 'bad1', 'bad2', 'bad3', 'good']);
  t.is(client.stats().servers[0]?.breaker, 'open');
});

test('a codec that breaks its word fails the requests, and nothing else', async (t) => {
  await using server = await startLineServer();
  const broken = (codec: Partial<Codec<string, string>>) =>
    clientOf([server], { codec: { ...lineCodec, ...codec }, retry: { initialWaitMs: 1 } });
  await using mute = broken({ encode: () => 7 as never });
  await t.throwsAsync(mute.request('a'), { code: 'POOLD_ERR_REQUEST_PERMANENT', message: /a string or bytes/ });
  const throws = (): never => {
    throw new Error('a bug');
  };
  await using deaf = broken({ decoder: throws });
  await t.throwsAsync(deaf.request('a'), { code: 'POOLD_ERR_REQUEST_TRANSIENT', message: /a bug/ });
  t.like(deaf.stats().servers[0], { opening: 0, lines: 0, pool: { inUse: 0 } });
  await using unjust = broken({ failure: throws });
  await t.throwsAsync(unjust.request('a'), { code: 'POOLD_ERR_REQUEST_PERMANENT', message: /a bug/ });
  await using vague = broken({ failure: () => ({ kind: 'permanent' }) as never });
  await t.throwsAsync(vague.request('a'), { code: 'POOLD_ERR_REQUEST_PERMANENT' });
});

test('a server that closes each connection at once is a failure, and no endless loop', async (t) => {
  await using server = await startTarget((socket) => socket.destroy());
  const factory = socketFactory({ host: '127.0.0.1', port: server.port });
  await using client = new RequestClient({
    codec: lineCodec,
    servers: [{ name: 'closing', factory }],
    retry: { initialWaitMs: 1 },
  });
  const code = await reject(client.request('a', { idempotent: true }));
  t.true(['POOLD_ERR_CONNECTION_LOST', 'POOLD_ERR_REQUEST_TRANSIENT'].includes(String(code)), String(code));
  t.true(server.accepted <= 10);
});

test('bytes that cannot be read, and a reply that nobody waits for, cost the connection', async (t) => {
  await using server = await startLineServer(({ line, reply }) => {
    if (line === 'twice') reply('one more');
    reply(line === 'bad' ? 'garbage' : line);
  });
  await using client = clientOf([server]);
  const reasons: string[] = [];
  client.on('lineEnded', ({ reason }) => reasons.push(reason));
  await t.throwsAsync(client.request('bad'), { code: 'POOLD_ERR_CONNECTION_LOST', message: /garbage/ });
  t.is(await client.request('twice'), 'one more');
  await until(() => reasons.length === 2, 'both connections are closed');
  t.deepEqual(reasons, ['protocol-error', 'protocol-error']);
  t.is(await client.request('good'), 'good');
});

test('replies that came whole before bytes that cannot be read are not lost', async (t) => {
  await using held = await startHolding();
  const codec: Codec<string, string> = {
    ...lineCodec,
    decoder: () => ({
      *push(bytes) {
        for (const line of bytes.toString().split('\n').slice(0, -1)) {
          if (line === 'garbage') throw new Error('garbage came');
          yield line;
        }
      },
    }),
  };
  await using client = clientOf([held.server], { codec, mode: 'pipeline' });
  const good = ['a', 'b'].map((line) => client.request(line));
  const bad = t.throwsAsync(client.request('c'), { code: 'POOLD_ERR_CONNECTION_LOST', message: /garbage/ });
  await held.come(3);
  held.asked[0]?.reply('a\nb\ngarbage');
  t.deepEqual(await Promise.all(good), ['a', 'b']);
  await bad;
});

test('more than maxWaiting are turned away, those under way are not', async (t) => {
  await using held = await startHolding();
  await using client = clientOf([held.server], { maxConnections: 1, maxWaiting: 2 });
  const first = client.request('a');
  await held.come(1);
  const waiting = ['b', 'c'].map((line) => client.request(line));
  await t.throwsAsync(client.request('d'), { code: 'POOLD_ERR_QUEUE_FULL', message: /1 in use.* 2 waiting/ });
  held.answer();
  await first;
  for (const reply of waiting) {
    await held.come(1);
    held.answer();
    await reply;
  }
  t.like(client.stats(), { requests: 3, answered: 3, turnedAway: 1 });
});

test('a server that does not read is not written to without end', async (t) => {
  await using server = await startLineServer(({ socket }) => void socket.pause());
  await using client = clientOf([server], { mode: 'pipeline', maxConnections: 1, depth: 10_000, timeoutMs: 0 });
  t.is(await reject(client.request('stop', { timeoutMs: 20 })), 'POOLD_ERR_REQUEST_TIMEOUT');
  const line = 'x'.repeat(64 * 1024);
  const requests = Array.from({ length: 1000 }, () => reject(client.request(line)));
  await until(() => client.stats().servers[0]?.inFlight !== 0, 'some are written');
  // What the system's buffers take, and one write more.
  await until(() => client.stats().queued < 1000 && client.stats().queued > 700, 'most wait');
  t.true((client.stats().servers[0]?.inFlight ?? 0) < 300);
  client.destroy();
  t.deepEqual([...new Set(await Promise.all(requests))], ['POOLD_ERR_POOL_CLOSED']);
});

/** The code that a request fails with. */
async function reject(request: Promise<unknown>): Promise<unknown> {
  try {
    return await request;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

test('many keys: what succeeds, and what fails and why', async (t) => {
  await using server = await startLineServer(({ line, reply }) => reply(line === 'k3' ? '!no such key' : `${line}!`));
  await using client = clientOf([server], { mode: 'pipeline', maxWaiting: 4 });
  const keys = Array.from({ length: 50 }, (_, index) => index);
  const { replies, failures } = await client.requestMany(keys, (key) => `k${key}`);
  t.is(replies.size, 49);
  t.is(replies.get(7), 'k7!');
  t.deepEqual([...failures.keys()], [3]);
  t.like(failures.get(3), { code: 'POOLD_ERR_REQUEST_PERMANENT' });
});

test('a listener may abort what it hears of, and close the client', async (t) => {
  await using server = await startLineServer(({ reply }) => reply('-busy'));
  const client = clientOf([server]);
  const leaving = new AbortController();
  client.once('retried', () => leaving.abort(new Error('left')));
  await t.throwsAsync(client.request('a', { signal: leaving.signal }), { message: 'left' });
  t.like(client.stats(), { queued: 0, pausing: 0, aborted: 1 });
  client.once('retried', () => client.destroy());
  await t.throwsAsync(client.request('b'), { code: 'POOLD_ERR_POOL_CLOSED' });
  t.like(client.stats(), { requests: 2, queued: 0, pausing: 0, failed: 1 });
});

test('what a caller gives wrong fails that request', async (t) => {
  await using server = await startLineServer();
  await using client = clientOf([server], {
    idempotent: () => {
      throw new Error('who knows');
    },
  });
  await t.throwsAsync(client.request('a'), { message: 'who knows' });
  for (const wrong of [-1, NaN, '100', null, 2 ** 31] as number[]) {
    for (const option of ['timeoutMs', 'totalTimeoutMs'] as const) {
      await t.throwsAsync(client.request('a', { idempotent: true, [option]: wrong }), {
        code: 'POOLD_ERR_INVALID_OPTION',
        message: new RegExp(`^${option}: wants a duration in ms`),
      });
    }
  }
  await t.throwsAsync(client.request('a', { idempotent: true, timeout: 5 } as object), {
    code: 'POOLD_ERR_INVALID_OPTION',
    message: /^timeout: unknown option/,
  });
  t.is(client.stats().requests, 0);
});

test('close waits for what is under way; what is not done within the grace fails', async (t) => {
  await using held = await startHolding();
  const client = clientOf([held.server]);
  const first = client.request('a');
  await held.come(1);
  const closed = client.close();
  await t.throwsAsync(client.request('b'), { code: 'POOLD_ERR_POOL_CLOSED' });
  held.answer();
  t.is(await first, 'a');
  await closed;
  t.is(client.state, 'closed');
  await until(() => held.server.sockets.size === 0, 'the connections are closed');

  const impatient = clientOf([held.server]);
  const second = t.throwsAsync(impatient.request('c'), { code: 'POOLD_ERR_POOL_CLOSED' });
  await held.come(1);
  await impatient.close({ graceMs: 10 });
  await second;
});

test('an unused connection goes back to its pool, and is taken from there again', async (t) => {
  await using server = await startLineServer();
  await using client = clientOf([server]);
  await client.request('a');
  t.like(client.stats().servers[0], { lines: 1 });
  await until(() => client.stats().servers[0]?.pool.idle === 1, 'it is idle');
  t.like(client.stats().servers[0], { lines: 0 });
  t.is(await client.request('b'), 'b');
  t.is(server.accepted, 1);
});

test('a connection that comes when its request has left goes to its pool, too', async (t) => {
  await using server = await startLineServer();
  const { name, factory } = server.server;
  const time = manualClock();
  let connect: (() => void) | undefined;
  const create: typeof factory.create = async (context) => {
    await new Promise<void>((resolve) => {
      connect = resolve;
    });
    return await factory.create(context);
  };
  const servers = [{ name, factory: { ...factory, create } }];
  const client = new RequestClient({ codec: lineCodec, servers, clock: time.clock });
  const leaving = new AbortController();
  const left = t.throwsAsync(client.request('a', { signal: leaving.signal }), { message: 'left' });
  await until(() => connect !== undefined, 'it is being made');
  leaving.abort(new Error('left'));
  await left;
  await time.advance(2000);
  connect?.();
  await until(() => client.stats().servers[0]?.lines === 1, 'it is open');
  await time.advance(2000);
  t.like(client.stats().servers[0], { lines: 0, pool: { idle: 1 } });
  client.destroy();
});

test('bytes that come while nobody looks are nobody’s reply', async (t) => {
  await using server = await startLineServer();
  const { name, factory } = server.server;
  const made: Duplex[] = [];
  const create: typeof factory.create = async (context) => {
    const socket = await factory.create(context);
    made.push(socket);
    return socket;
  };
  // It says nothing of what happens to an idle connection.
  const careless = { name, factory: { create, destroy: (socket: Duplex) => void socket.destroy() } };
  await using client = new RequestClient({ codec: lineCodec, servers: [careless], retry: { initialWaitMs: 1 } });
  await client.request('a');
  await until(() => client.stats().servers[0]?.pool.idle === 1, 'it is idle');
  const [socket] = server.sockets;
  socket?.write('stray\n');
  await until(() => made[0]?.readableLength === 6, 'it has come');
  t.is(await client.request('b'), 'b');
});

test('an error of a connection that nobody else listens to is no exception, used, idle or late', async (t) => {
  await using server = await startLineServer();
  const time = manualClock();
  const made: Duplex[] = [];
  let late: (() => void) | undefined;
  // A factory that does the least.
  class Bare {
    readonly #port = server.port;
    async create(): Promise<Duplex> {
      const socket = connect(this.#port, '127.0.0.1');
      made.push(socket);
      await once(socket, 'connect');
      if (made.length > 2) await new Promise<void>((resolve) => (late = resolve));
      return socket;
    }
    destroy(socket: Duplex): void {
      socket.destroy(new Error('broken at its end'));
    }
  }
  const client = new RequestClient({
    codec: lineCodec,
    servers: [{ name: 'bare', factory: new Bare() }],
    maxConnections: 1,
    clock: time.clock,
    retry: { initialWaitMs: 1, maxAttempts: 1 },
  });
  const breaks = async (socket = made.at(-1)): Promise<void> => {
    const closed = new Promise((resolve) => socket?.once('close', resolve));
    socket?.destroy(new Error('broken'));
    await closed;
  };
  t.is(await client.request('a'), 'a');
  await breaks();
  t.is(await client.request('b'), 'b');
  await time.advance(2000);
  t.like(client.stats().servers[0], { lines: 0, pool: { idle: 1 } });
  await breaks();
  t.is(await reject(client.request('c')), 'POOLD_ERR_REQUEST_TRANSIENT');
  const tooLong = reject(client.request('d', { timeoutMs: 0 }));
  await until(() => late !== undefined, 'the third is being made');
  await time.advance(10_000);
  t.is(await tooLong, 'POOLD_ERR_REQUEST_TRANSIENT');
  const [, , third] = made;
  const closed = new Promise((resolve) => third?.once('close', resolve));
  late?.();
  await closed;
  client.destroy();
});

test('a connection that is always in use is given back for a moment, for its pool to judge its age', async (t) => {
  await using server = await startLineServer();
  const time = manualClock();
  const client = clientOf([server], { clock: time.clock, pool: { maxLifetimeMs: 10_000 } });
  for (let request = 0; request < 60; request += 1) {
    await client.request('a');
    await time.advance(500);
  }
  t.true(server.accepted > 1);
  client.destroy();
  t.is(time.timers, 0);
});

test('a slow reply holds up nobody: its connection takes others as long as it is young, and then another one does', async (t) => {
  await using held = await startHolding();
  const time = manualClock();
  const client = multiplexed(held, time, { timeoutMs: 0, totalTimeoutMs: 0, pool: { maxLifetimeMs: 100_000 } });
  const slow = client.request('slow');
  await held.come(1);
  const [asked] = held.asked.splice(0);
  const ask = async (): Promise<void> => {
    const reply = client.request('quick');
    await held.come(1);
    held.answer();
    t.is((await reply).text, 'quick');
  };
  for (let second = 0; second < 60; second += 1) {
    await ask();
    await time.advance(1000);
  }
  t.is(held.server.accepted, 1);
  for (let second = 60; second < 120; second += 1) {
    await ask();
    await time.advance(1000);
  }
  t.deepEqual([held.server.accepted, held.server.sockets.size], [2, 2]);
  asked?.reply(asked.line);
  t.is((await slow).text, 'slow');
  await until(() => held.server.sockets.size === 1, 'the old one is closed');
  client.destroy();
  t.is(time.timers, 0);
});

test('every step can be heard', async (t) => {
  let busy = true;
  await using server = await startLineServer(({ line, reply }) => {
    reply(busy ? '-busy' : line);
    busy = false;
  });
  const client = clientOf([server], { name: 'heard', retry: { initialWaitMs: 1 } });
  const heard: object[] = [];
  const note =
    (what: string) =>
    (event: object): void => {
      heard.push({ what, ...event });
    };
  for (const event of ['answered', 'failed', 'retried', 'lineOpened', 'lineEnded', 'clientClosed'] as const) {
    client.on(event, note(event));
  }
  await client.request('a');
  await t.throwsAsync(client.request('two\nlines'));
  await client.close();
  t.like(heard, [
    { what: 'lineOpened', client: 'heard', server: 'server', id: 'heard/server-1' },
    { what: 'retried', attempts: 1 },
    { what: 'answered', attempts: 2 },
    { what: 'failed', attempts: 1 },
    { what: 'lineEnded', reason: 'pool-closed', lost: 0 },
    { what: 'clientClosed', client: 'heard' },
  ]);
  t.is(heard.length, 6);
});

test('an option that cannot be is named', (t) => {
  const server = { name: 'a', factory: { create: () => Promise.reject(new Error('never')), destroy: () => {} } };
  const options: [Partial<RequestClientOptions<string, string>>, RegExp][] = [
    [{ servers: [] }, /^servers/],
    [{ servers: [server, server] }, /^servers: two/],
    [{ depth: 2 }, /^depth/],
    [{ mode: 'multiplex' }, /^codec\.replyId/],
    [{ mode: 'multiplex', codec: { ...lineCodec, replyId: () => 1, maxId: 9 } }, /^depth/],
    [{ retry: { initialWaitMs: 9, maxWaitMs: 8 } }, /^retry\.initialWaitMs/],
    [{ pool: { min: 9 } }, /^pool\.min/],
    [{ breaker: { maxFailures: 0 } }, /^breaker\.maxFailures/],
  ];
  for (const [option, message] of options) {
    t.throws(() => new RequestClient({ codec: lineCodec, servers: [server], ...option }), {
      code: 'POOLD_ERR_INVALID_OPTION',
      message,
    });
  }
});
