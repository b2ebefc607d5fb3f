import { getEventListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { connectThrough } from '../../src/client/proxy.ts';
import { proxyOption } from '../../src/client/proxy-url.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { DialError } from '../../src/shared/errors.ts';
import type { HostAddress } from '../../src/shared/net/address.ts';
import type { DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { startChild } from '../helpers/child.ts';
import { textFile } from '../helpers/cli.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, readAll, startPair, TOKEN } from '../helpers/pair.ts';
import { CREDENTIALS, SECRETS, startHttpProxy, startSocksProxy, textsIn, USER_INFO } from '../helpers/proxies.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const KINDS = [
  { scheme: 'http', start: startHttpProxy },
  { scheme: 'socks5', start: startSocksProxy },
] as const;

/** What goes wrong at a target shows at the other end. */
function ignore(): void {}

/** One connection through a proxy, without a pool. */
function through(url: string, to: HostAddress, signal = new AbortController().signal): Promise<Socket> {
  return connectThrough(proxyOption('proxy', url), to, 0)({ signal }) as Promise<Socket>;
}

for (const { scheme, start } of KINDS) {
  for (const tls of [0, 1, 2] as const) {
    test(`${scheme}, TLS mode ${tls}: visitors are served through a proxy that wants a password`, async (t) => {
      await using target = await startTarget(echo);
      await using proxy = await start({ credentials: CREDENTIALS });
      const url = `${scheme}://${USER_INFO}127.0.0.1:${proxy.port}`;
      await using pair = await startPair({ tls, target: target.port, client: { proxy: url, minCapacity: 2 } });
      t.is(await ask(pair.visit(), 'hello'), 'hello');
      t.true(proxy.asked.length >= 2);
    });
  }

  test(`${scheme}: bytes that come with the proxy's answer are the server's, and not lost`, async (t) => {
    await using server = new ServerPool({ listen: '127.0.0.1:0', session: false, tls: { mode: 0 } });
    await server.start();
    await using proxy = await start({ together: true });
    await using client = new ClientPool({
      dial: server.address ?? '',
      proxy: `${scheme}://127.0.0.1:${proxy.port}`,
      session: false,
      tls: { mode: 0 },
      minCapacity: 3,
    });
    await client.start();
    await client.warmed(3);
    const here = await client.acquire();
    const there = await server.get(here.id);
    t.is(here.connection.remote, `127.0.0.1:${server.address?.port}`, 'people are told the server, not the proxy');
    t.true(here.release() && there.release());
  });

  test(`${scheme}: each direction ends by itself`, async (t) => {
    await using late = await startTarget((socket) => {
      readAll(socket).then((text) => socket.end(`${text} and goodbye`), ignore);
    });
    let heard = '';
    await using early = await startTarget((socket) => {
      socket.end('first');
      readAll(socket).then((text) => (heard = text), ignore);
    });
    await using proxy = await start();
    const url = `${scheme}://127.0.0.1:${proxy.port}`;
    t.is(await ask(await through(url, { host: '127.0.0.1', port: late.port }), 'hello'), 'hello and goodbye');
    const socket = await through(url, { host: '127.0.0.1', port: early.port });
    t.is(await readAll(socket), 'first');
    socket.end('behind the end');
    await until(() => heard === 'behind the end', 'it has come behind the end');
  });

  test(`${scheme}: the system keeps the connection alive as a direct one`, async (t) => {
    await using target = await startTarget(echo);
    await using proxy = await start();
    const server = proxyOption('proxy', `${scheme}://127.0.0.1:${proxy.port}`);
    for (const [keepAliveMs, timer] of [
      [30_000, KEEP_ALIVE_TIMER],
      [0, NO_TIMER],
    ] as const) {
      const connect = connectThrough(server, { host: '127.0.0.1', port: target.port }, keepAliveMs);
      const socket = (await connect({ signal: new AbortController().signal })) as Socket;
      const ours = socket.localPort ?? 0;
      await until(() => kernelTimer(ours, proxy.port) === timer, `${keepAliveMs} ms has timer ${timer}`);
      socket.destroy();
    }
    t.pass();
  });

  test(`${scheme}: the certificate must have the server's name, not the proxy's`, async (t) => {
    const { authority, localhost, elsewhere } = await testCertificates();
    const dialled = async (certificate: { cert: string; key: string }): Promise<string> => {
      await using server = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode: 2, ...certificate } });
      await server.start();
      await using proxy = await start();
      const port = server.address?.port ?? 0;
      await using client = new ClientPool({
        dial: { host: 'localhost', port },
        proxy: `${scheme}://127.0.0.1:${proxy.port}`,
        token: TOKEN,
        minCapacity: 1,
        tls: { mode: 2, ca: authority.cert },
      });
      const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
      await client.start();
      const end = await Promise.race([client.warmed(1), failed]);
      return end === undefined ? 'warm' : ((end.error.cause as NodeJS.ErrnoException).code ?? '');
    };
    t.is(await dialled(localhost), 'warm');
    t.is(await dialled(elsewhere), 'ERR_TLS_CERT_ALTNAME_INVALID');
  });

  test(`${scheme}: a client whose proxy goes and comes back is warm again`, async (t) => {
    await using target = await startTarget(echo);
    const port = await freePort();
    const first = await start({ port });
    const proxy = `${scheme}://127.0.0.1:${port}`;
    await using pair = await startPair({ target: target.port, client: { proxy, minCapacity: 3 } });
    const name = `the proxy 127.0.0.1:${port} `;
    const failed = nextEvent<DialFailedEvent>(pair.client.pool, 'dialFailed', ({ error }) =>
      error.message.startsWith(name),
    );
    await first[Symbol.asyncDispose]();
    t.regex((await failed).error.message, /ECONNREFUSED|ECONNRESET/);
    await until(() => pair.client.pool.idle === 0, 'the connections are gone');
    await using again = await start({ port });
    await pair.client.pool.warmed(3);
    t.is(await ask(pair.visit(), 'back'), 'back');
    t.true(again.asked.length >= 3);
  });
}

/** What each kind of proxy is asked for, for the same servers. */
const ASKED = {
  http: ['server.example:7000', '[2001:db8::1:20]:7000', '[::1]:7000', '[1::]:7000', '192.0.2.1:7000'],
  socks5: [
    'name server.example 7000',
    'ipv6 2001:0db8:0000:0000:0000:0000:0001:0020 7000',
    'ipv6 0000:0000:0000:0000:0000:0000:0000:0001 7000',
    'ipv6 0001:0000:0000:0000:0000:0000:0000:0000 7000',
    'ipv4 192.0.2.1 7000',
  ],
};

for (const scheme of ['http', 'socks5', 'socks5h'] as const) {
  test(`${scheme}: the proxy is given names as they are, IPv6 and IPv4`, async (t) => {
    const http = scheme === 'http';
    await using proxy = http ? await startHttpProxy({ refuse: 403 }) : await startSocksProxy({ refuse: 2 });
    for (const host of ['server.example', '2001:db8::1:20', '::1', '1::', '192.0.2.1']) {
      const dial = through(`${scheme}://127.0.0.1:${proxy.port}`, { host, port: 7000 });
      await t.throwsAsync(dial, { instanceOf: DialError });
    }
    t.deepEqual(proxy.asked, ASKED[http ? 'http' : 'socks5']);
  });
}

test('the answers of a SOCKS5 proxy may come byte by byte', async (t) => {
  await using target = await startTarget(echo);
  await using proxy = await startSocksProxy({ bytewise: true, credentials: CREDENTIALS });
  const url = `socks5://${USER_INFO}127.0.0.1:${proxy.port}`;
  for (let kinds = 0; kinds < 3; kinds += 1) {
    t.is(await ask(await through(url, { host: '127.0.0.1', port: target.port }), 'hello'), 'hello');
  }
});

test('an https proxy is verified by its own name, and each direction ends by itself', async (t) => {
  const { authority, localhost } = await testCertificates();
  await using target = await startTarget((socket) => {
    readAll(socket).then((text) => socket.end(`${text} and goodbye`), ignore);
  });
  await using proxy = await startHttpProxy({ tls: localhost, credentials: CREDENTIALS });
  await using strict = await startHttpProxy({ tls: localhost, refuse: 403 });
  const code = `
    import { connectThrough } from '${new URL('../../src/client/proxy.js', import.meta.url).href}';
    import { proxyOption } from '${new URL('../../src/client/proxy-url.js', import.meta.url).href}';
    const through = (url, to) => connectThrough(proxyOption('proxy', url), to, 0)(new AbortController());
    const refused = through('https://localhost:${strict.port}', { host: 'server.example', port: 7000 });
    await refused.catch((error) => process.stdout.write(error.message + '\\n'));
    const to = { host: '127.0.0.1', port: ${target.port} };
    const socket = await through('https://${USER_INFO}localhost:${proxy.port}', to);
    socket.end('hello');
    for await (const piece of socket) process.stdout.write(piece);`;
  // Node reads it at its start.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: await textFile(t, authority.cert) };
  await using child = startChild(process.execPath, ['--input-type=module', '-e', code], { env });
  t.is(await child.ended(), 0, child.output);
  t.regex(child.output, /answers 403 .* to server.example:7000;.*\nhello and goodbye$/);
  t.deepEqual(proxy.asked, [`127.0.0.1:${target.port}`]);
});

for (const { scheme, start } of KINDS) {
  test(`${scheme}: an aborted dial rejects, and a signal is left alone when the dial is done`, async (t) => {
    await using silent = await startTarget(() => {});
    const aborter = new AbortController();
    const dial = through(`${scheme}://127.0.0.1:${silent.port}`, { host: '127.0.0.1', port: 9 }, aborter.signal);
    await until(() => silent.accepted === 1, 'the proxy has been reached');
    aborter.abort(new Error('enough'));
    await t.throwsAsync(dial);

    await using server = await startTarget(echo);
    await using proxy = await start();
    const done = new AbortController();
    const socket = await through(
      `${scheme}://127.0.0.1:${proxy.port}`,
      { host: '127.0.0.1', port: server.port },
      done.signal,
    );
    t.deepEqual(getEventListeners(done.signal, 'abort'), []);
    t.is(
      socket.listenerCount('error') + socket.listenerCount('close') + socket.listenerCount('data'),
      0,
      'nobody is left in it',
    );
    // What a pool does when the dial fails later.
    done.abort();
    socket.on('error', () => {}).destroy();
    await until(() => proxy.open === 0, 'the socket is closed');
  });
}

test('neither the pool nor its options show the password', async (t) => {
  await using proxy = await startHttpProxy({ credentials: CREDENTIALS });
  await using target = await startTarget(echo);
  const url = `http://${USER_INFO}127.0.0.1:${proxy.port}`;
  const events: object[] = [];
  await using pair = await startPair({ target: target.port, client: { proxy: url, minCapacity: 1 } });
  const { pool } = pair.client;
  for (const event of ['dialed', 'dialFailed', 'connectionReady', 'connectionClosed'] as const) {
    pool.on(event, (message: object) => events.push(message));
  }
  pool.flush();
  await until(() => events.length >= 3, 'another connection has been made');
  const all = textsIn([pair.client, pool, events]);
  t.true(all.includes(pool.client), 'something is seen at all');
  for (const secret of SECRETS) t.false(all.includes(secret));
});

/** The kernel's timers, as proc(5) has them. */
const NO_TIMER = '00';
const KEEP_ALIVE_TIMER = '02';

/** The kernel's timer of the connection between two ports: the column `tr` of /proc/net/tcp. */
function kernelTimer(from: number, to: number): string | undefined {
  const end = (port: number): string => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  return rows
    .find((row) => row.includes(` ${end(from)} ${end(to)} `))
    ?.trim()
    .split(/\s+/)[5]
    ?.slice(0, 2);
}
