/** Visitors who come through a proxy that says by the PROXY protocol who they are. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import fc from 'fast-check';
import { TunnelServer } from '../../src/server/tunnel-server.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { ClientPool } from '../../src/client/client-pool.ts';
import { encodeProxyHeader, type ProxyEnds } from '../../src/shared/net/proxy-header.ts';
import type { OpenInfo } from '../../src/shared/wire/messages.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { textFile } from '../helpers/cli.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';
import { TOKEN } from '../helpers/pair.ts';
import { Address, answer, get } from '../helpers/public-address.ts';
import { sayTo } from '../helpers/raw-visitor.ts';
import { echo, freePort } from '../helpers/targets.ts';

const PROXY = '127.0.0.0/30';
const STRANGER = '127.0.0.9';

const ends = (ip: string, port = 4711): ProxyEnds => ({
  source: { host: ip, port },
  destination: { host: ip.includes(':') ? '2001:db8::ff' : '192.0.2.80', port: 443 },
});

/** Between two tries, ms. */
const PAUSE_MS = 20;

/** A tunnel whose client answers each visit with what it was told of the visitor, and with what comes. */
async function startTelling() {
  const pool = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode: 0 } });
  const server = new TunnelServer({ pool, public: '127.0.0.1:0', proxyFrom: [PROXY] });
  await server.start();
  const told: OpenInfo[] = [];
  const client = new ClientPool({
    dial: pool.address ?? '',
    token: TOKEN,
    tls: { mode: 0 },
    onVisit: (visit) => {
      told.push(visit.info);
      visit.accept();
      visit.handler = {
        onOpened: () => {},
        onData: (piece) => void visit.write(piece),
        onEnd: () => visit.end(),
        onReset: () => {},
        onDrain: () => {},
      };
    },
  });
  await client.start();
  await pool.warmed(2);
  return {
    server,
    told,
    port: server.address?.port ?? 0,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.close({ graceMs: 0 });
    },
  };
}

for (const version of [1, 2] as const) {
  for (const ip of ['198.51.100.7', '2001:db8::7']) {
    test(`a trusted proxy says who the visitor is, and the target hears it (version ${version}, ${ip})`, async (t) => {
      await using at = await startTelling();
      const remotes: string[] = [];
      at.server.on('visitOpened', ({ remote }) => remotes.push(remote));
      using visitor = sayTo(at.port, [Buffer.concat([encodeProxyHeader(version, ends(ip)), Buffer.from('hello')])]);
      await visitor.answered('hello');
      visitor.socket.end('more');
      t.deepEqual(await visitor.fate, { text: 'hellomore', end: 'end' });
      const [remote, local] = ip.includes(':')
        ? ['[2001:db8::7]:4711', '[2001:db8::ff]:443']
        : ['198.51.100.7:4711', '192.0.2.80:443'];
      t.like(at.told[0], { remote, local });
      t.deepEqual(remotes, [remote]);
    });
  }
}

test('a proxy that speaks for itself, or does not know, leaves the addresses as they are', async (t) => {
  await using at = await startTelling();
  const local = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c0123456789ab', 'latin1');
  for (const header of [local, 'PROXY UNKNOWN ffff::1 whatever\r\n', encodeProxyHeader(2, undefined)]) {
    using visitor = sayTo(at.port, [header, 'hello']);
    await visitor.answered('hello');
    const { remote } = at.told.at(-1) ?? {};
    t.is(remote, `127.0.0.1:${visitor.socket.localPort}`);
    t.is(at.told.at(-1)?.local, `127.0.0.1:${at.port}`);
  }
});

test('what a proxy adds to its header is passed over', async (t) => {
  await using at = await startTelling();
  const header = encodeProxyHeader(2, ends('198.51.100.7'));
  const extra = Buffer.concat([Buffer.from([0xe0, 4, 0]), Buffer.alloc(1024, 'x')]);
  header.writeUInt16BE(12 + extra.length, 14);
  using visitor = sayTo(at.port, [Buffer.concat([header, extra, Buffer.from('hello')])]);
  await visitor.answered('hello');
  t.is(at.told[0]?.remote, '198.51.100.7:4711');
});

test('case 25: the header of somebody else is not one: its bytes go to the target, and its address stays', async (t) => {
  await using at = await startTelling();
  for (const version of [1, 2] as const) {
    const header = encodeProxyHeader(version, ends('198.51.100.7'));
    using visitor = sayTo(at.port, [header], STRANGER);
    await visitor.answered(header.toString('latin1'));
    t.is(at.told.at(-1)?.remote, `${STRANGER}:${visitor.socket.localPort}`);
  }
});

const rest = (length: number): Buffer => {
  const header = Buffer.concat([encodeProxyHeader(2, ends('198.51.100.7')), Buffer.alloc(100)]);
  header.writeUInt16BE(length, 14);
  return header;
};
const broken: [what: string, said: (string | Buffer)[]][] = [
  ['nothing of the kind', ['GET / HTTP/1.1\r\n\r\n']],
  ['an address that is none', ['PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n']],
  ['a line without end', [`PROXY TCP4 ${'1'.repeat(200)}`]],
  ['64 KiB of it', [rest(65_535)]],
  ['too little for its addresses', [rest(3)]],
  ['an unknown version', [Buffer.from('\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c0123456789ab', 'latin1')]],
];

for (const [what, said] of broken) {
  test(`case 25: a trusted proxy that sends ${what} is reset`, async (t) => {
    await using at = new Address({ proxyFrom: [PROXY] });
    await at.tunnel(undefined, echo);
    t.deepEqual(await sayTo(at.port, said).fate, { text: '', end: 'ECONNRESET' });
    t.deepEqual(at.reasons, ['proxy-header']);
    t.regex(at.refused[0]?.remote ?? '', /^127\.0\.0\.1:\d+$/);
    t.is(at.listener.stats().reading, 0);
  });
}

test('a proxy that only looks whether somebody listens is no refusal, one that stops in the middle is', async (t) => {
  const time = manualClock();
  await using at = new Address({ proxyFrom: [PROXY], clock: time.clock });
  await at.tunnel(undefined, echo);
  const look = sayTo(at.port, []);
  look.socket.end();
  t.is((await look.fate).end, 'end');
  t.deepEqual(at.reasons, []);
  const stop = sayTo(at.port, ['PROXY TCP4 1']);
  stop.socket.end();
  t.is((await stop.fate).end, 'ECONNRESET');
  const late = sayTo(at.port, ['PROXY TCP4 1']);
  await until(() => at.listener.stats().reading === 1, 'it is read');
  await time.advance(5000);
  t.is((await late.fate).end, 'ECONNRESET');
  t.deepEqual(at.reasons, ['proxy-header', 'proxy-header']);
});

test('rules are for the visitors behind the proxy, and not for the proxy', async (t) => {
  await using at = new Address({ proxyFrom: [PROXY] });
  const visitors = { deny: ['198.51.100.9', '127.0.0.1'], maxVisitorsPerAddress: 1 };
  const { server } = await at.tunnel(undefined, echo, { visitors });
  const refused: string[] = [];
  server.on('visitRefused', ({ remote, reason }) => refused.push(`${remote} ${reason}`));
  const come = (ip: string) => sayTo(at.port, [Buffer.concat([encodeProxyHeader(2, ends(ip)), Buffer.from('hello')])]);
  using first = come('198.51.100.7');
  await first.answered('hello');
  using other = come('198.51.100.8');
  await other.answered('hello');
  t.is((await come('198.51.100.7').fate).end, 'ECONNRESET');
  t.is((await come('198.51.100.9').fate).end, 'ECONNRESET');
  t.deepEqual(refused, ['198.51.100.7:4711 address', '198.51.100.9:4711 denied']);
  first.socket.destroy();
  await until(() => server.visitorStats()?.visitors === 1, 'its place is free');
  using again = come('198.51.100.7');
  await again.answered('hello');
});

test('other proxies are trusted from the next connection on; what is wrong changes nothing', async (t) => {
  await using at = new Address();
  await at.tunnel(undefined, echo);
  const header = encodeProxyHeader(1, ends('198.51.100.7')).toString('latin1');
  const whatComes = async (from?: string): Promise<string> => {
    using visitor = sayTo(at.port, [`${header}hello`], from);
    await visitor.answered('hello');
    visitor.socket.end();
    return (await visitor.fate).text;
  };
  t.is(await whatComes(), `${header}hello`);
  at.listener.setProxyFrom([PROXY]);
  t.is(await whatComes(), 'hello');
  t.throws(() => at.listener.setProxyFrom([STRANGER, 'nowhere']), { message: /^proxyFrom: "nowhere"/ });
  t.is(await whatComes(), 'hello');
  t.is(await whatComes(STRANGER), `${header}hello`);
  at.listener.setProxyFrom([]);
  t.is(await whatComes(), `${header}hello`);
});

test('behind the header the host is read, of whoever is there', async (t) => {
  await using at = new Address({ proxyFrom: [PROXY] });
  await at.tunnel(['a.example'], answer('A'), { visitors: { deny: ['198.51.100.9'] } });
  const header = (ip: string): string => encodeProxyHeader(1, ends(ip)).toString('latin1');
  using visitor = sayTo(at.port, [header('198.51.100.7') + get('a.example')]);
  await visitor.answered('\r\n\r\nA');
  using direct = sayTo(at.port, [get('a.example')], STRANGER);
  await direct.answered('\r\n\r\nA');
  t.is((await sayTo(at.port, [header('198.51.100.9')]).fate).end, 'ECONNRESET');
  t.regex((await sayTo(at.port, [header('198.51.100.7') + get('b.example')]).fate).text, /^HTTP\/1\.1 421 /);
  t.deepEqual(
    at.refused.map(({ remote, reason }) => `${remote} ${reason}`),
    ['198.51.100.9:4711 denied', '198.51.100.7:4711 host'],
  );
});

test('however header and first bytes are cut, the target has what was meant for it', async (t) => {
  await using at = new Address({ proxyFrom: [PROXY] });
  await at.tunnel(['a.example'], echo);
  const request = 'POST /x HTTP/1.1\r\nHost: a.example\r\ncontent-length: 5\r\n\r\nhello';
  const versions = fc.constantFrom<1 | 2>(1, 2);
  const cuts = fc.array(fc.nat(160), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(versions, cuts, fc.boolean(), async (version, points, leaves) => {
      const all = Buffer.concat([encodeProxyHeader(version, ends('198.51.100.7')), Buffer.from(request)]);
      const marks = [0, ...[...points].sort((a, b) => a - b), all.length];
      const pieces = marks.slice(1).map((end, index) => all.subarray(marks[index], end));
      using visitor = sayTo(at.port, leaves ? pieces.slice(0, -1) : pieces);
      if (leaves) {
        visitor.socket.resetAndDestroy();
        return true;
      }
      await visitor.answered('hello');
      visitor.socket.end();
      return (await visitor.fate).text === request;
    }),
    { numRuns: 60 },
  );
  await until(() => at.listener.stats().reading === 0, 'nobody is left');
  t.is(at.listener.stats().refused.host, 0);
});

test('what comes in one piece with the header is carried whole, and the end behind it', async (t) => {
  await using at = new Address({ proxyFrom: [PROXY] });
  await at.tunnel(['a.example'], echo);
  const request = `POST / HTTP/1.1\r\nhost: a.example\r\n\r\n${'0123456789abcdef'.repeat(65_536)}`;
  using visitor = sayTo(at.port, [Buffer.concat([encodeProxyHeader(2, ends('198.51.100.7')), Buffer.from(request)])]);
  visitor.socket.once('connect', () => visitor.socket.end());
  const { text, end } = await visitor.fate;
  t.is(end, 'end');
  t.true(text === request, `${text.length} of ${request.length} characters`);
});

test('a ClientHello of two packets that comes byte by byte behind a header reaches its server', async (t) => {
  await using at = new Address({ proxyFrom: [PROXY] });
  await at.tlsTunnel('a.example', ['a.example']);
  const { authority } = await testCertificates();
  // Cuts all that goes to the server into single bytes for a while.
  const cutter = createServer((near) => {
    const far = connect({ port: at.port, host: '127.0.0.1', noDelay: true });
    let chain = Promise.resolve();
    const send = (bytes: Buffer): void => {
      chain = chain.then(async () => {
        for (const byte of bytes) {
          far.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    };
    send(encodeProxyHeader(2, ends('198.51.100.7')));
    near.on('data', send).on('error', () => far.destroy());
    far.on('error', () => near.destroy()).pipe(near);
  });
  cutter.listen(0, '127.0.0.1');
  await once(cutter, 'listening');
  const { port } = cutter.address() as AddressInfo;
  // As large as with a post-quantum key share.
  const ALPNProtocols = Array.from({ length: 200 }, (_, n) => `protocol-${n}`);
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'a.example', ca: authority.cert, ALPNProtocols });
  await once(socket, 'secureConnect');
  t.is(String(socket.getPeerCertificate().subject.CN), 'a.example');
  socket.write('hello');
  const [data] = (await once(socket, 'data')) as [Buffer];
  t.is(String(data), 'hello');
  socket.destroy();
  cutter.close();
});

test('case 26: those who say nothing behind a proxy have a bound of their own, and one address does not fill it', async (t) => {
  await using at = new Address({ proxyFrom: [PROXY] });
  await at.tunnel(['a.example'], answer('A'));
  const header = (ip: string): string => encodeProxyHeader(1, ends(ip)).toString('latin1');
  const crowd = Array.from({ length: 160 }, () => sayTo(at.port, [header('198.51.100.9')]));
  await until(() => at.listener.stats().refused.preface === 32, 'one address has its share');
  t.is(at.listener.stats().reading, 128);
  using visitor = sayTo(at.port, [header('198.51.100.7') + get('a.example')]);
  await visitor.answered('A');
  t.is(at.listener.stats().refused.preface, 32);
  t.true(at.refused.every(({ remote }) => remote === '198.51.100.9:4711'));
  for (const { socket } of crowd) socket.destroy();
});

function haproxy(): boolean {
  try {
    return String(execFileSync('haproxy', ['-v'])).includes('HAProxy');
  } catch {
    return false;
  }
}

const withHaproxy = haproxy() ? test : test.skip;
if (!haproxy()) console.warn('haproxy is not installed: what it sends is not tried');

for (const [option, version] of [
  ['send-proxy', 1],
  ['send-proxy-v2 proxy-v2-options unique-id', 2],
] as const) {
  withHaproxy(
    `HAProxy in front says who the visitor is, and its checks are no refusals (version ${version})`,
    async (t) => {
      await using at = new Address({ proxyFrom: ['127.0.0.1'] });
      const { server } = await at.tunnel(['a.example'], answer('A'));
      const remotes: string[] = [];
      server.on('visitOpened', ({ remote }) => remotes.push(remote));
      const front = await freePort();
      const config = await textFile(t, '');
      await writeFile(
        config,
        [
          ...['defaults', '  mode tcp', '  timeout connect 5s', '  timeout client 30s', '  timeout server 30s'],
          ...[
            'frontend in',
            `  bind 127.0.0.1:${front}`,
            '  unique-id-format %{+X}o\\ %ci:%cp',
            '  default_backend out',
          ],
          ...['backend out', `  server poold 127.0.0.1:${at.port} check inter 100ms ${option}`, ''],
        ].join('\n'),
      );
      const child = spawn('haproxy', ['-db', '-q', '-f', config], { stdio: 'ignore' });
      t.teardown(() => void child.kill());
      const come = async (): Promise<number | undefined> => {
        using visitor = sayTo(front, [get('a.example')], STRANGER);
        const served = visitor.answered('\r\n\r\nA').then(
          () => visitor.socket.localPort,
          () => undefined,
        );
        return await served;
      };
      let port = await come();
      // It is still coming up.
      for (; port === undefined; port = await come()) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      t.is(remotes.at(-1), `${STRANGER}:${port}`);
      t.deepEqual(at.reasons, []);
    },
  );
}
