import { once } from 'node:events';
import { request } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect } from 'node:tls';
import test from 'ava';
import fc from 'fast-check';
import { type HostRead, MAX_PEEK_BYTES, readHost } from '../../../src/shared/net/host-name.ts';

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
  t.deepEqual(readHost(bytes), { host: 'www.example.org' });
  for (let length = 0; length < bytes.length; length += 1) t.is(readHost(bytes.subarray(0, length)), undefined);
  for (const size of [1, 7, 100]) t.deepEqual(readHost(inRecords(bytes, size)), { host: 'www.example.org' });
});

test('a ClientHello without a name has none', async (t) => {
  t.deepEqual(readHost(await hello()), { host: undefined });
});

test('the Host header of a request of Node is read', async (t) => {
  const bytes = await firstBytes((port) =>
    request({ host: '127.0.0.1', port, headers: { host: 'A.example:8080' } }).end(),
  );
  t.deepEqual(readHost(bytes), { host: 'a.example' });
});

const REQUESTS: readonly [text: string, read: HostRead | undefined][] = [
  ['GET / HTTP/1.1\r\nX: 1\r\nHOST:\t h.example \r\n', { host: 'h.example' }],
  ['GET / HTTP/1.1\r\nhost: [2001:DB8::1]:80\r\n\r\n', { host: '2001:db8::1' }],
  ['GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n', { host: 'a' }],
  ['GET / HTTP/1.1\r\nhost:\r\n\r\n', { host: undefined }],
  ['GET / HTTP/1.0\r\n\r\nhost: body\r\n', { host: undefined }],
  ['GET / HTTP/1.1\r\nx-host: a\r\n', undefined],
  ['GET / HTTP/1.1\r\nhost: a', undefined],
  ['M-SEARCH', undefined],
  ['SSH-2.0-OpenSSH_9.6\r\n', { host: undefined }],
  ['get / HTTP/1.1\r\nhost: a\r\n\r\n', { host: undefined }],
  ['\0', { host: undefined }],
  ['', undefined],
];

for (const [text, read] of REQUESTS) {
  test(`${JSON.stringify(text)} names ${read === undefined ? 'nothing yet' : (read.host ?? 'none')}`, (t) => {
    t.deepEqual(readHost(Buffer.from(text, 'latin1')), read);
  });
}

test('who does not come to the point is not waited for any longer', (t) => {
  t.deepEqual(readHost(Buffer.from(`GET /${'a'.repeat(MAX_PEEK_BYTES)}`)), { host: undefined });
  const endless = Buffer.alloc(MAX_PEEK_BYTES);
  endless.set([22, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff]);
  t.deepEqual(readHost(endless), { host: undefined });
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
