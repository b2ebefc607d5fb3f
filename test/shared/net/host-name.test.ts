import { once } from 'node:events';
import { request } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect } from 'node:tls';
import test from 'ava';
import fc from 'fast-check';
import { MAX_PEEK_BYTES, readHost } from '../../../src/shared/net/host-name.ts';
import type { HostRead } from '../../../src/shared/net/host-read.ts';

/** The first bytes that a client sends. */
async function firstBytes(
  dial: (port: number) => { on(event: 'error', listener: () => void): unknown },
): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  dial((server.address() as AddressInfo).port).on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  server.close();
  return bytes;
}

const hello = (servername?: string): Promise<Buffer> =>
  firstBytes((port) => connect({ host: '127.0.0.1', port, ...(servername === undefined ? {} : { servername }) }));

const tls = (host: string | undefined, unclear = false): HostRead => ({ host, protocol: 'tls', unclear });
const http = (host: string | undefined): HostRead => ({ host, protocol: 'http', unclear: false });
const UNCLEAR: HostRead = { host: undefined, protocol: 'http', unclear: true };
const OTHER: HostRead = { host: undefined, protocol: 'other', unclear: false };

/** Another name in the place of one that is as long. */
function renamed(bytes: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(bytes);
  copy.write(to, copy.indexOf(from), 'latin1');
  return copy;
}

/** A ClientHello as short as can be, with a name of any length and an extension of so many bytes in front of it. */
function helloWith(name: string, extra = 0): Buffer {
  const short = (number: number): Buffer => Buffer.from([number >> 8, number & 0xff]);
  const list = Buffer.concat([Buffer.from([0]), short(name.length), Buffer.from(name, 'latin1')]);
  const sni = Buffer.concat([short(0), short(list.length + 2), short(list.length), list]);
  const keyShare = Buffer.concat([short(51), short(extra), Buffer.alloc(extra, 7)]);
  const extensions = extra === 0 ? sni : Buffer.concat([keyShare, sni]);
  const start = [Buffer.from([3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 2, 0x13, 1, 1, 0])];
  const body = Buffer.concat([...start, short(extensions.length), extensions]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), short(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), short(handshake.length), handshake]);
}

/** Spreads a ClientHello over records of `size` bytes. */
function inRecords(record: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 5; at < record.length; at += size) {
    const part = record.subarray(at, at + size);
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(parts);
}

test('the name in a ClientHello of Node is read, however it is cut', async (t) => {
  const bytes = await hello('WWW.Example.org');
  t.deepEqual(readHost(bytes), tls('www.example.org'));
  for (let length = 0; length < bytes.length; length += 1) t.is(readHost(bytes.subarray(0, length)), undefined);
  for (const size of [1, 7, 100]) t.deepEqual(readHost(inRecords(bytes, size)), tls('www.example.org'));
  const behind = Buffer.concat([bytes, Buffer.from([20, 3, 3, 0, 1, 1])]);
  t.deepEqual(readHost(behind), tls('www.example.org'));
});

test('a ClientHello without a name has none', async (t) => {
  t.deepEqual(readHost(await hello()), tls(undefined));
});

test('the Host header of a request of Node is read', async (t) => {
  const bytes = await firstBytes((port) =>
    request({ host: '127.0.0.1', port, headers: { host: 'A.example:8080' } }).end(),
  );
  t.deepEqual(readHost(bytes), http('a.example'));
  for (let length = 0; length < bytes.length; length += 1) t.is(readHost(bytes.subarray(0, length)), undefined);
});

test('a ClientHello of post-quantum size is waited for, and read', (t) => {
  const bytes = helloWith('a.example', 4200);
  t.is(readHost(bytes.subarray(0, 1460)), undefined);
  t.deepEqual(readHost(bytes), tls('a.example'));
  t.deepEqual(readHost(inRecords(bytes, 512)), tls('a.example'));
});

test('case 27: a server name that is none names nobody, and is not taken for another', async (t) => {
  const bytes = await hello('www.example.org');
  const as = (name: string): HostRead | undefined => readHost(renamed(bytes, 'www.example.org', name));
  t.deepEqual(as('ww2.example.org'), tls('ww2.example.org'));
  t.deepEqual(as('www.example\0org'), tls(undefined, true));
  t.deepEqual(as('www example.org'), tls(undefined, true));
  t.deepEqual(as('..............'), tls(undefined, true));
  // Clients ought not to send one, and some do.
  t.deepEqual(readHost(helloWith('192.0.2.1')), tls('192.0.2.1'));
  t.deepEqual(readHost(helloWith('a.example.')), tls('a.example'));
  t.deepEqual(readHost(helloWith('a'.repeat(300))), tls(undefined, true));
  t.deepEqual(readHost(helloWith('')), tls(undefined, true));
});

const REQUESTS: readonly [text: string, read: HostRead | undefined][] = [
  ['GET / HTTP/1.1\r\nX: 1\r\nHOST:\t h.example \r\n\r\n', http('h.example')],
  ['GET / HTTP/1.1\r\nhost: [2001:DB8::1]:80\r\n\r\n', http('2001:db8::1')],
  ['GET / HTTP/1.1\r\nhost: 192.0.2.1:80\r\n\r\n', http('192.0.2.1')],
  ['GET / HTTP/1.1\r\nhost: A.example.\r\n\r\nbody', http('a.example')],
  ['GET / HTTP/1.1\nhost: a\n\n', http('a')],
  ['GET / HTTP/1.1\r\nhost:\r\n\r\n', http(undefined)],
  ['GET / HTTP/1.0\r\n\r\nhost: body\r\n', http(undefined)],
  ['GET / HTTP/1.1\r\nhost: a\r\n', undefined],
  ['GET / HTTP/1.1\r\nhost: a', undefined],
  ['M-SEARCH', undefined],
  // The target's own host counts, and another one beside it does not.
  ['GET http://B.example:80/x HTTP/1.1\r\nhost: b.example\r\n\r\n', http('b.example')],
  ['GET http://b.example HTTP/1.1\r\n\r\n', http('b.example')],
  ['CONNECT b.example:443 HTTP/1.1\r\nhost: b.example:443\r\n\r\n', http('b.example')],
  ['GET http://b.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n', UNCLEAR],
  ['GET http://me@b.example/ HTTP/1.1\r\n\r\n', UNCLEAR],
  ['CONNECT b.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n', UNCLEAR],
  // What one server takes for this and another for that.
  ['GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\nhost: b\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost: a\nhost: b\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost : a\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost: a\rhost: b\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nx: 1\rhost: b\r\nhost: a\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost\0: b\r\nhost: a\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\n host: b\r\nhost: a\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nx: 1\r\n 2\r\nhost: a\r\n\r\n', http('a')],
  ['GET / HTTP/1.1\r\nhost: a, b\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n', UNCLEAR],
  ['GET / HTTP/1.1\r\nhost: a/b\r\n\r\n', UNCLEAR],
  [`GET / HTTP/1.1\r\nhost: ${'a'.repeat(300)}\r\n\r\n`, UNCLEAR],
  // Names no host here: HTTP/2 says it in each request, the others never.
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', OTHER],
  ['GET /\r\n', OTHER],
  ['EHLO a.example\r\n', OTHER],
  ['SSH-2.0-OpenSSH_9.6\r\n', OTHER],
  ['get / HTTP/1.1\r\nhost: a\r\n\r\n', OTHER],
  ['\0', OTHER],
  ['\u0016\u0005', undefined],
  ['\u0016\u0005\0\0\0', OTHER],
  ['', undefined],
];

for (const [text, read] of REQUESTS) {
  test(`${JSON.stringify(text.slice(0, 80))} names ${read === undefined ? 'nothing yet' : (read.host ?? (read.unclear ? 'what is unclear' : 'none'))}`, (t) => {
    t.deepEqual(readHost(Buffer.from(text, 'latin1')), read);
  });
}

test('who does not come to the point is not waited for any longer', (t) => {
  const long = 'a'.repeat(MAX_PEEK_BYTES);
  t.deepEqual(readHost(Buffer.from(`GET /${long}`)), OTHER);
  // Of a head that is longer than what is looked at, what was seen counts.
  t.deepEqual(readHost(Buffer.from(`GET / HTTP/1.1\r\nhost: a\r\ncookie: ${long}`)), http('a'));
  t.deepEqual(readHost(Buffer.from(`GET / HTTP/1.1\r\nhost: a${long}`)), http(undefined));
  const endless = Buffer.alloc(MAX_PEEK_BYTES);
  endless.set([22, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff]);
  t.deepEqual(readHost(endless), tls(undefined));
});

test('case 27: a head or hello made to be slow to read is not', (t) => {
  const spaces = Buffer.from(`GET / HTTP/1.1\r\nhost:${' '.repeat(MAX_PEEK_BYTES - 100)}x`);
  const lines = Buffer.from(`GET / HTTP/1.1\r\n${'host\t'.repeat(1000)}${'\r\n :'.repeat(2000)}\r\n\r\n`);
  const records = inRecords(helloWith('a.example', 2000), 1).subarray(0, -1);
  const startedAt = performance.now();
  for (let round = 0; round < 100; round += 1) for (const bytes of [spaces, lines, records]) readHost(bytes);
  // A regular expression for the header took a minute for the first of them alone.
  t.true(performance.now() - startedAt < 5000);
});

test('case 27: the same is read however it is cut: no later byte changes what was read of those before', async (t) => {
  const words = [
    ...['GET ', '/', 'http://a.example', ' HTTP/1.1', 'CONNECT a:1', 'host:', 'Host :', ' a.example', 'b.example'],
    ...['\r\n', '\r\n', '\n', '\r', '\t', ':80', '\0', 'x: y', 'PRI * HTTP/2.0'],
  ];
  const requests = fc.array(fc.constantFrom(...words), { maxLength: 14 }).map((some) => Buffer.from(some.join('')));
  const hellos = fc
    .tuple(fc.constant(helloWith('a.example')), fc.uint8Array({ maxLength: 8 }), fc.nat(80))
    .map(([bytes, noise, at]) => {
      const changed = Buffer.from(bytes);
      changed.set(noise, Math.min(at, changed.length - noise.length));
      return changed;
    });
  let named = 0;
  fc.assert(
    fc.property(fc.oneof(requests, hellos), (bytes) => {
      const whole = readHost(bytes);
      if (whole?.host !== undefined) named += 1;
      for (let length = 0; length < bytes.length; length += 1) {
        const part = readHost(bytes.subarray(0, length));
        if (part !== undefined) t.deepEqual(part, whole as HostRead);
      }
    }),
    { numRuns: 3000 },
  );
  t.true(named > 10, `${named}`);
});

test('whatever comes is read, or waited for', async (t) => {
  const bytes = await hello('example.org');
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.uint8Array({ maxLength: 60 }), (at, noise) => {
      const changed = Buffer.from(bytes);
      changed.set(noise.subarray(0, changed.length - at), at);
      const read = readHost(changed);
      return read === undefined || read.host === undefined || typeof read.host === 'string';
    }),
    { numRuns: 5000 },
  );
  t.pass();
});
