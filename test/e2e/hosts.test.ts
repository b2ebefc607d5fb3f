/** Several tunnels at one public address, told apart by the hosts that visitors ask for. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import test from 'ava';
import { ServerPool } from '../../src/server/server-pool.ts';
import { TunnelServer } from '../../src/server/tunnel-server.ts';
import { InvalidOptionError } from '../../src/shared/errors.ts';
import { checkHosts } from '../../src/shared/tunnel/guest.ts';
import { PublicListener } from '../../src/shared/tunnel/public-listener.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { startPair, TOKEN } from '../helpers/pair.ts';
import { Address, answer, get } from '../helpers/public-address.ts';
import { sayTo } from '../helpers/raw-visitor.ts';
import { echo, freePort, startTarget, type Target } from '../helpers/targets.ts';

/** Whose certificate is shown for a name, and whether bytes come back. */
async function certificateFor(port: number, servername?: string): Promise<string> {
  const { authority } = await testCertificates();
  const name = servername === undefined ? {} : { servername };
  const options = { port, host: '127.0.0.1', ca: authority.cert, checkServerIdentity: () => undefined, ...name };
  const socket: TLSSocket = connectTls(options);
  try {
    await once(socket, 'secureConnect');
    socket.write('hello');
    const [data] = (await once(socket, 'data')) as [Buffer];
    return `${String(data)} from ${String(socket.getPeerCertificate().subject.CN)}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
}

test('TLS goes through to the server whose name it asks for; the certificate shows which', async (t) => {
  await using at = new Address();
  await at.tlsTunnel('a.example', ['a.example', 'www.a.example']);
  await at.tlsTunnel('wild.example', ['*.wild.example']);
  const shown = (name?: string): Promise<string> => certificateFor(at.port, name);
  t.is(await shown('a.example'), 'hello from a.example');
  t.is(await shown('WWW.A.example'), 'hello from a.example');
  t.is(await shown('x.wild.example'), 'hello from wild.example');
  t.is(await shown('y.x.wild.example'), 'hello from wild.example');
  t.is(await shown('b.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  t.is(await shown(), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  t.deepEqual(at.reasons, ['host', 'host']);
  t.regex(at.refused[0]?.error.message ?? '', /\(b\.example\)$/);
  t.is(at.listener.stats().refused.host, 2);
  // Who names no hosts has all the rest from now on.
  await at.tlsTunnel('rest.example', undefined);
  t.is(await shown('b.example'), 'hello from rest.example');
  t.is(await shown(), 'hello from rest.example');
  t.is(await shown('a.example'), 'hello from a.example');
  t.is(at.listener.stats().reading, 0);
});

test('HTTP goes to the tunnel that has its host, request after request; who has none is told', async (t) => {
  await using at = new Address();
  await at.tunnel(['a.example'], answer('A'));
  await at.tunnel(['*.example'], answer('wild'));
  const ask = (host: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = request({ port: at.port, host: '127.0.0.1', headers: { host }, agent: false }, (response) => {
        response.on('data', (data: Buffer) => resolve(`${response.statusCode} ${String(data)}`));
      });
      sent.on('error', reject).end();
    });
  t.is(await ask('a.example'), '200 A');
  t.is(await ask('A.EXAMPLE.:8080'), '200 A');
  t.is(await ask('b.example'), '200 wild');
  t.regex(await ask('example'), /^421 There is no service of that name/);
  t.regex(await ask('127.0.0.1'), /^421 /);
  using keeping = sayTo(at.port, [get('a.example')]);
  await keeping.answered('A');
  keeping.socket.write(get('b.example'));
  await keeping.answered('AHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nA');
  t.is(at.refused.length, 2);
});

const unclear: [what: string, request: string, answer: RegExp][] = [
  ['two hosts', 'GET / HTTP/1.1\r\nhost: a.example\r\nhost: b.example\r\n\r\n', /^HTTP\/1\.1 400 .*connection: close/s],
  ['a target of another host', 'GET http://b.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n', /^HTTP\/1\.1 400 /],
];

for (const [what, request, expected] of unclear) {
  test(`case 27: a request with ${what} goes to nobody, not even to who has the rest`, async (t) => {
    await using at = new Address();
    await at.tunnel(['a.example'], answer('A'));
    await at.tunnel(undefined, answer('rest'));
    using visitor = sayTo(at.port, [request]);
    const { text, end } = await visitor.fate;
    t.regex(text, expected);
    t.is(end, 'end');
    await until(() => at.listener.stats().reading === 0, 'it has left');
  });
}

for (const [what, said] of [
  ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['a single byte', '\0'],
]) {
  test(`${what} names no host: it is the tunnel's that names none, or is reset`, async (t) => {
    await using at = new Address();
    await at.tunnel(['a.example'], answer('A'));
    using stranger = sayTo(at.port, [said as string]);
    t.deepEqual(await stranger.fate, { text: '', end: 'ECONNRESET' });
    await at.tunnel(undefined, echo);
    using visitor = sayTo(at.port, [said as string]);
    await visitor.answered(said as string);
    t.is(at.refused.length, 1);
  });
}

test('tunnels come and go while the others are served; the last one closes the port', async (t) => {
  await using at = new Address({ listen: `127.0.0.1:${await freePort()}` });
  const a = await at.tunnel(['a.example'], answer('A'));
  using inside = sayTo(at.port, [get('a.example')]);
  await inside.answered('A');
  const b = await at.tunnel(['b.example'], answer('B'));
  using other = sayTo(at.port, [get('b.example')]);
  await other.answered('B');
  await a.server.close({ graceMs: 0 });
  t.regex((await sayTo(at.port, [get('a.example')]).fate).text, /^HTTP\/1\.1 421 /);
  const again = await at.tunnel(['a.example'], answer('A again'));
  using late = sayTo(at.port, [get('a.example')]);
  await late.answered('A again');
  const { port } = at;
  await Promise.all([b, again].map(({ server }) => server.close({ graceMs: 0 })));
  t.is(at.listener.address, undefined);
  t.is((await sayTo(port, []).fate).end, 'ECONNREFUSED');
  await at.tunnel(['c.example'], answer('C'));
  using last = sayTo(port, [get('c.example')]);
  await last.answered('C');
});

test('a listener that was started keeps its port without tunnels, until it is closed', async (t) => {
  await using at = new Address();
  await at.listener.start();
  const { port } = at;
  t.is((await sayTo(port, [get('a.example')]).fate).end, 'ECONNRESET');
  const a = await at.tunnel(['a.example'], answer('A'));
  await a.server.close({ graceMs: 0 });
  t.is(at.port, port);
  t.is(a.server.address, undefined);
  const stranger = new Map([[a.server, ['b.example']]]);
  t.throws(() => at.listener.setHosts(stranger), { instanceOf: InvalidOptionError, message: /have started/ });
  await at.listener.close();
  t.is((await sayTo(port, []).fate).end, 'ECONNREFUSED');
  await t.throwsAsync(at.tunnel(['b.example'], echo), {
    code: 'POOLD_ERR_DIAL',
    message: /was closed; make a new one/,
  });
});

test('a listener that is closed while it starts listens nowhere', async (t) => {
  const port = await freePort();
  const listener = new PublicListener({ listen: `localhost:${port}` });
  const starting = listener.start();
  await listener.close();
  await starting;
  t.is(listener.address, undefined);
  t.is((await sayTo(port, []).fate).end, 'ECONNREFUSED');
  const taken = new PublicListener({ listen: `127.0.0.1:${port}` });
  await using first = new PublicListener({ listen: `127.0.0.1:${port}` });
  await first.start();
  await t.throwsAsync(taken.start(), { code: 'POOLD_ERR_DIAL', message: /EADDRINUSE/ });
  await first.close();
  await taken.start();
  t.is(taken.address?.port, port);
  await taken.close();
});

test('a host belongs to one tunnel; who comes second does not start, and the first goes on', async (t) => {
  await using at = new Address();
  await at.tunnel(['a.example'], answer('A'));
  const taken = { instanceOf: InvalidOptionError, message: /^hosts: a\.example is another tunnel's/ };
  await t.throwsAsync(at.tunnel(['b.example', 'A.example'], echo), taken);
  t.regex((await sayTo(at.port, [get('b.example')]).fate).text, /421/);
  await at.tunnel(undefined, answer('rest'));
  await t.throwsAsync(at.tunnel(undefined, echo), { instanceOf: InvalidOptionError, message: /names none either/ });
  for (const [host, name] of [
    ['a.example', 'A'],
    ['b.example', 'rest'],
  ]) {
    using visitor = sayTo(at.port, [get(host as string)]);
    await visitor.answered(`\r\n\r\n${name}`);
  }
  t.throws(() => checkHosts([['a.example'], [], ['A.example']]), { message: /a\.example is another/ });
  t.notThrows(() => checkHosts([['a.example'], [], ['*.example']]));
});

test('hosts are changed while visitors are in, all at once or none of them', async (t) => {
  await using at = new Address();
  const a = await at.tunnel(['a.example'], answer('A'));
  const b = await at.tunnel(['b.example'], answer('B'));
  using inside = sayTo(at.port, [get('a.example')]);
  await inside.answered('A');
  at.listener.setHosts(
    new Map([
      [a.server, ['b.example']],
      [b.server, ['a.example', '*.b.example']],
    ]),
  );
  const whoHas = async (host: string): Promise<string | undefined> => {
    using visitor = sayTo(at.port, [get(host)]);
    await visitor.answered('\r\n\r\n');
    visitor.socket.end();
    return (await Promise.race([visitor.fate, visitor.answered('\r\n\r\nA').then(() => ({ text: 'A' }))])).text.at(-1);
  };
  t.is(await whoHas('b.example'), 'A');
  t.throws(() => a.server.setHosts(['c.example', 'a.example']), { instanceOf: InvalidOptionError });
  t.throws(() => a.server.setHosts(['c..example']), { instanceOf: InvalidOptionError });
  t.is(await whoHas('b.example'), 'A');
  a.server.setHosts([]);
  t.is(await whoHas('c.example'), 'A');
  inside.socket.write(get('a.example'));
  await inside.answered('AHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nA');
});

test('what must be known of a visitor is asked of it only where it must', async (t) => {
  await using at = new Address();
  const asked: string[] = [];
  const passOn = (_: Socket, { remote }: { remote: string }): boolean => {
    asked.push(remote);
    return false;
  };
  const few = { minCapacity: 2, maxCapacity: 2 };
  const speaksFirst = (socket: Socket) =>
    socket
      .resume()
      .on('end', () => socket.end())
      .write('first');
  const alone = await at.tunnel(undefined, speaksFirst, { passOn }, few);
  // The server speaks first, so nothing was waited for.
  using visitor = sayTo(at.port, []);
  await visitor.answered('first');
  visitor.socket.destroy();
  await until(() => alone.server.pool.idle === 2, 'both are idle');
  const leases = [alone.server.pool.tryAcquire(), alone.server.pool.tryAcquire()];
  using waiting = sayTo(at.port, []);
  await until(() => asked.length === 1, 'another process might take it');
  await at.tunnel(['a.example'], answer('A'));
  using read = sayTo(at.port, [get('b.example')]);
  await until(() => alone.server.pool.waiting === 2, 'it was read, and waits here');
  t.is(asked.length, 1);
  for (const lease of leases) lease?.release();
  await Promise.all([waiting.answered('first'), read.answered('first')]);
});

test('rules for visitors hold for each tunnel, and whom none of them lets in is not read', async (t) => {
  await using at = new Address();
  const a = await at.tunnel(['a.example'], answer('A'), { visitors: { deny: ['127.0.0.2', '127.0.0.3'] } });
  await at.tunnel(['b.example'], answer('B'), { visitors: { deny: ['127.0.0.3'], maxVisitors: 1 } });
  using both = sayTo(at.port, [get('b.example')], '127.0.0.2');
  await both.answered('B');
  t.is((await sayTo(at.port, [get('a.example')], '127.0.0.2').fate).end, 'ECONNRESET');
  t.is((await sayTo(at.port, [get('b.example')]).fate).end, 'ECONNRESET');
  t.is((await sayTo(at.port, [], '127.0.0.3').fate).end, 'ECONNRESET');
  t.is(a.server.visitorStats()?.refused.denied, 1);
  t.is(at.listener.stats().refused.denied, 1);
  t.deepEqual(at.reasons, ['denied']);
});

test('a visitor that was read and leaves while it waits for a connection gives its place back', async (t) => {
  await using at = new Address();
  const one = await at.tunnel(['a.example'], answer('A'), {}, { minCapacity: 1, maxCapacity: 1 });
  await until(() => one.server.pool.idle === 1, 'its only connection is idle');
  const lease = one.server.pool.tryAcquire();
  using leaving = sayTo(at.port, [get('a.example')]);
  await until(() => one.server.pool.waiting === 1, 'it waits');
  leaving.socket.resetAndDestroy();
  await until(() => one.server.visitorStats()?.visitors === 0, 'it has left');
  t.is(one.server.pool.waiting, 0);
  lease?.release();
  using visitor = sayTo(at.port, [get('a.example')]);
  await visitor.answered('A');
});

test('a tunnel with an address of its own tells itself whom it turned away', async (t) => {
  const target: Target = await startTarget(answer('A'));
  await using pair = await startPair({ target: target.port, tunnelServer: { hosts: ['a.example'] } });
  const reasons: string[] = [];
  pair.server.on('visitRefused', ({ reason }) => reasons.push(reason));
  const { port = 0 } = pair.server.address ?? {};
  t.regex((await sayTo(port, [get('b.example')]).fate).text, /421/);
  using visitor = sayTo(port, [get('a.example')]);
  await visitor.answered('A');
  t.deepEqual(reasons, ['host']);
  t.is(pair.server.visitorStats()?.refused.host, 1);
  t.is(pair.server.publicListener?.address?.port, port);
  visitor.socket.destroy();
  await target[Symbol.asyncDispose]();
});

test('case 26: who does not say in time whom it wants is broken off, and who leaves meanwhile leaves nothing', async (t) => {
  const time = manualClock();
  await using at = new Address({ clock: time.clock });
  await at.tunnel(['a.example'], echo);
  const before = time.timers;
  using silent = sayTo(at.port, []);
  using slow = sayTo(at.port, ['GET / HTTP/1.1\r\nhost: a.ex']);
  using leaving = sayTo(at.port, ['GET /']);
  using closing = sayTo(at.port, ['GET /']);
  using looking = sayTo(at.port, []);
  await until(() => at.listener.stats().reading === 5, 'all are read');
  leaving.socket.resetAndDestroy();
  closing.socket.end();
  looking.socket.end();
  t.is((await closing.fate).end, 'ECONNRESET');
  await until(() => at.listener.stats().reading === 2, 'three have left');
  await time.advance(5000);
  t.is((await silent.fate).end, 'ECONNRESET');
  t.is((await slow.fate).end, 'ECONNRESET');
  t.is(at.listener.stats().reading, 0);
  t.is(time.timers, before);
  // Of the one that closed, and the two that were late.
  t.deepEqual(at.reasons, ['preface', 'preface', 'preface']);
  t.is(at.refused[1]?.waitedMs, 5000);
});

test('case 26: a crowd that says nothing is bounded, the oldest goes, and a visitor behind the same address is served', async (t) => {
  await using at = new Address();
  await at.tunnel(['a.example'], answer('A'));
  const crowd = Array.from({ length: 200 }, () => sayTo(at.port, ['G']));
  await until(() => at.listener.stats().refused.preface === 72, 'more than 128 have come');
  t.is(at.listener.stats().reading, 128);
  using visitor = sayTo(at.port, [get('a.example')]);
  await visitor.answered('A');
  // The oldest, which were displaced, and the one for whom the visitor's place was needed.
  const ends = await Promise.all(crowd.slice(0, 73).map(({ fate }) => fate));
  t.deepEqual([...new Set(ends.map(({ end }) => end))], ['ECONNRESET']);
  for (const { socket } of crowd) socket.destroy();
  await until(() => at.listener.stats().reading === 0, 'they have left');
});

test('who is told why it is turned away, and stays, does not stay for long', async (t) => {
  const time = manualClock();
  await using at = new Address({ clock: time.clock });
  await at.tunnel(['a.example'], echo);
  using visitor = sayTo(at.port, [get('b.example'), 'more'.repeat(10_000)]);
  await visitor.answered('HTTP/1.1 421 Misdirected Request');
  t.is(at.listener.stats().reading, 1);
  await time.advance(1000);
  await until(() => at.listener.stats().reading === 0, 'it was sent away');
});

test('hosts and proxies are refused where they have no meaning', (t) => {
  const pool = (opener: 'server' | 'client' = 'server') =>
    new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, opener });
  const make = (options: object) => () => new TunnelServer({ pool: pool(), public: '127.0.0.1:0', ...options });
  for (const option of [{ hosts: ['a.example'] }, { proxyFrom: ['10.0.0.1'] }]) {
    const [name] = Object.keys(option);
    const refused = (why: RegExp) => ({
      instanceOf: InvalidOptionError,
      message: new RegExp(`^${name}: .*${why.source}`),
    });
    t.throws(make({ ...option, protocol: 'udp' }), refused(/has no effect with protocol 'udp'/));
    t.throws(make({ ...option, pool: pool('client'), public: undefined, target: '3000' }), refused(/no effect here/));
  }
  t.throws(make({ hosts: ['10.0.0.1'] }), { message: /^hosts: "10\.0\.0\.1" is not the name of a host/ });
  t.throws(make({ hosts: 'a.example' }), { message: /^hosts: / });
  t.throws(make({ proxyFrom: ['10.0.0.0/99'] }), { message: /^proxyFrom: "10\.0\.0\.0\/99" has no valid prefix/ });
  const listener = new PublicListener({ listen: '127.0.0.1:0', proxyFrom: ['10.0.0.1', '10.0.0.2'] });
  t.throws(make({ public: listener, protocol: 'udp' }), { message: /^public: wants host:port/ });
  t.throws(make({ public: listener, proxyFrom: ['10.0.0.1'] }), { message: /^proxyFrom: belongs to the address/ });
  t.throws(make({ public: listener, reusePort: true }), { message: /^reusePort: belongs to the listener/ });
  t.notThrows(make({ public: listener, proxyFrom: ['10.0.0.2', '10.0.0.1'] }));
  t.throws(() => new PublicListener({ listen: '7000' }), { message: /^listen: / });
});
