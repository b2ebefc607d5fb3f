import type { Socket } from 'node:net';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { ClientPoolOptions } from '../../src/client/client-pool-options.ts';
import { DialError, type PooldError } from '../../src/shared/errors.ts';
import type { DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN } from '../helpers/pair.ts';
import {
  CREDENTIALS,
  type ProxyOptions,
  SECRETS,
  startHttpProxy,
  startSocksProxy,
  type TestProxy,
  textsIn,
  USER_INFO,
} from '../helpers/proxies.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

/** A port with a proxy of some kind, or none. */
type Place = { readonly port: number } & AsyncDisposable;

/** Dials by a pool, and returns the first failure. */
async function failureOf(options: Partial<ClientPoolOptions<true>>): Promise<DialFailedEvent> {
  await using client = new ClientPool({ dial: '127.0.0.1:7000', minCapacity: 1, token: TOKEN, ...options });
  const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
  await client.start();
  return await failed;
}

test('an https proxy whose certificate nobody trusts is not let into', async (t) => {
  const { localhost } = await testCertificates();
  await using proxy = await startHttpProxy({ tls: localhost });
  const { error } = await failureOf({ proxy: `https://${USER_INFO}127.0.0.1:${proxy.port}` });
  t.true(error instanceof DialError);
  t.regex(error.message, new RegExp(`the proxy 127.0.0.1:${proxy.port} .*certificate`));
  t.deepEqual(proxy.asked, []);
});

interface Failure {
  readonly title: string;
  readonly scheme: 'http' | 'socks5';
  readonly start: () => Promise<Place>;
  readonly userInfo?: string;
  readonly says: RegExp;
  /** It does not let us in, which only a person can mend. */
  readonly refused?: true;
}

const target = (serve: (socket: Socket) => void) => (): Promise<Place> => startTarget(serve);
const hangUp = target((socket) => void socket.once('data', () => socket.end()));
const reset = target((socket) => void socket.once('data', () => socket.resetAndDestroy()));
const garbage = target((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
const nobody = (): Promise<Place> => freePort().then((port) => ({ port, async [Symbol.asyncDispose]() {} }));

const failures: readonly Failure[] = (['http', 'socks5'] as const).flatMap((scheme): Failure[] => {
  const http = scheme === 'http';
  const start = http ? startHttpProxy : startSocksProxy;
  return [
    { title: 'nobody listens', scheme, start: nobody, says: /ECONNREFUSED.*check its URL/ },
    { title: 'it hangs up', scheme, start: hangUp, says: /(hung up|socket hang up).*check/ },
    { title: 'it breaks off', scheme, start: reset, says: /ECONNRESET|socket hang up/ },
    {
      title: 'it answers garbage',
      scheme,
      start: garbage,
      says: http ? /does not speak HTTP \(Parse Error.*check the scheme and port/ : /not speak SOCKS5/,
    },
    {
      title: 'it sends back what it gets',
      scheme,
      start: target(echo),
      says: http ? /Parse Error/ : /does not take the user and password/,
      ...(http ? {} : { refused: true }),
    },
    {
      title: 'it wants a password that nobody gave',
      scheme,
      start: () => start({ credentials: CREDENTIALS }),
      userInfo: '',
      says: http ? /407 \(Proxy Authentication Required\): give it a user/ : /wants a user and a password: give them/,
      refused: true,
    },
    {
      title: 'it does not take the password',
      scheme,
      start: () => start({ credentials: CREDENTIALS }),
      userInfo: 'some%20one:wrong-secret@',
      says: /does not take the user and password in its URL.*check both/,
      refused: true,
    },
    {
      title: 'it wants something else than a password, or says so badly',
      scheme,
      start: http ? () => start({ refuse: 401 }) : target((socket) => void socket.end(Buffer.of(5, 0xff))),
      says: http ? /401 \(Unauthorized\): it does not take the user/ : /neither everybody nor a user with a password/,
      refused: true,
    },
    {
      title: 'it may not connect to the server',
      scheme,
      start: () => start({ refuse: http ? 403 : 2 }),
      says: http ? /403 \(Forbidden\): it lets nobody through to 127.0.0.1:9/ : /to 127.0.0.1:9: its rules forbid it/,
    },
    {
      title: 'it cannot reach the server',
      scheme,
      start: () => start(),
      says: http ? /502 \(Bad Gateway\): it cannot reach 127.0.0.1:9/ : /to 127.0.0.1:9: the connection is refused/,
    },
    {
      title: 'its answer is in no standard',
      scheme,
      start: () => start({ refuse: http ? 599 : 99 }),
      says: http ? /599 \(no standard status\)/ : /reply 99/,
    },
  ];
});

const steps = (['method', 'password', 'reply'] as const).map((at): Failure => {
  const start = (): Promise<Place> => startSocksProxy({ credentials: CREDENTIALS, stop: { at, how: 'hang up' } });
  return { title: `it ends instead (${at})`, scheme: 'socks5', start, says: /hung up before it had connected us/ };
});

for (const { title, scheme, start, userInfo = USER_INFO, says, refused = false } of [...failures, ...steps]) {
  test(`${scheme}: ${title}: one error that names the proxy, and never its password`, async (t) => {
    await using proxy = await start();
    const { error, stage } = await failureOf({
      dial: '127.0.0.1:9',
      proxy: `${scheme}://${userInfo}127.0.0.1:${proxy.port}`,
    });
    t.is(stage, 'connect');
    t.true(error instanceof DialError);
    t.is(error instanceof DialError && error.refused, refused);
    t.true(error.message.startsWith(`the proxy 127.0.0.1:${proxy.port} `), error.message);
    t.regex(error.message, says);
    const all = textsIn(error);
    for (const secret of [...SECRETS, 'wrong-secret']) t.false(all.includes(secret), all);
  });
}

const silences = [
  { scheme: 'http', at: 'answer' },
  { scheme: 'http', at: 'half an answer' },
  { scheme: 'socks5', at: 'method' },
  { scheme: 'socks5', at: 'password' },
  { scheme: 'socks5', at: 'reply' },
] as const;

for (const { scheme, at } of silences) {
  const options: ProxyOptions = { credentials: CREDENTIALS, stop: { at, how: 'hang' } };
  const start = (): Promise<TestProxy> => (scheme === 'http' ? startHttpProxy : startSocksProxy)(options);

  test(`${scheme}: a proxy that goes silent (${at}) is left at the deadline, and named; its socket closes`, async (t) => {
    await using proxy = await start();
    const time = manualClock();
    await using client = new ClientPool({
      dial: '127.0.0.1:9',
      proxy: `${scheme}://${USER_INFO}127.0.0.1:${proxy.port}`,
      token: TOKEN,
      minCapacity: 2,
      clock: time.clock,
      random: () => 0.999,
    });
    const errors: PooldError[] = [];
    client.on('dialFailed', ({ error }) => errors.push(error));
    await client.start();
    await until(() => proxy.stopped === 2, 'the proxy is silent');
    await time.advance(4999);
    t.deepEqual(errors, []);
    await time.advance(1);
    t.is(errors.length, 2);
    for (const error of errors) {
      t.is(error.code, 'POOLD_ERR_HANDSHAKE_TIMEOUT');
      t.regex(error.message, new RegExp(`^the proxy 127.0.0.1:${proxy.port} .*5000 ms.*check`));
      for (const secret of SECRETS) t.false(textsIn(error).includes(secret));
    }
    await until(() => proxy.open === 0, 'its sockets are closed');
  });

  test(`${scheme}: a proxy that goes silent (${at}) is left when the pool ends`, async (t) => {
    await using proxy = await start();
    const client = new ClientPool({
      dial: '127.0.0.1:9',
      proxy: `${scheme}://${USER_INFO}127.0.0.1:${proxy.port}`,
      token: TOKEN,
      minCapacity: 4,
    });
    await client.start();
    await until(() => proxy.stopped === 4, 'the proxy is silent');
    client.destroy();
    await until(() => proxy.open === 0, 'its sockets are closed');
    t.is(client.connecting, 0);
  });
}
