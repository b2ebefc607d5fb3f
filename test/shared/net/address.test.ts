import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type ListenOptions, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import {
  type Address,
  formatAddress,
  isLoopback,
  localOf,
  normaliseIp,
  parseAddress,
  parseHostAlone,
  remoteOf,
} from '../../../src/shared/net/address.ts';

const readable: [text: string, address: Address][] = [
  ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
  ['example.org:1', { host: 'example.org', port: 1 }],
  ['my_service-1:65535', { host: 'my_service-1', port: 65_535 }],
  ['[::1]:8080', { host: '::1', port: 8080 }],
  ['[fe80::1%eth0]:443', { host: 'fe80::1%eth0', port: 443 }],
  ['unix:/run/app.sock', { path: '/run/app.sock' }],
  ['unix:/odd:name', { path: '/odd:name' }],
];

for (const [text, address] of readable) {
  test(`${text} is an address, and is written the same way`, (t) => {
    t.deepEqual(parseAddress(text), address);
    t.is(formatAddress(address), text);
  });
}

const refusals: [text: string, problem: RegExp][] = [
  ['', /has no port/],
  ['example.org', /has no port/],
  ['[::1]', /has no port/],
  ['3000', /has no host; write host:port, for instance 127\.0\.0\.1:3000/],
  [':3000', /has no host/],
  ['example.org:', /no valid port/],
  ['example.org:0', /has port 0/],
  ['example.org:65536', /no valid port/],
  ['example.org:080', /no valid port/],
  ['example.org:-1', /no valid port/],
  ['example.org:8o8o', /no valid port/],
  ['example.org:80 ', /no valid port/],
  ['::1:8080', /IPv6 address in brackets/],
  ['[127.0.0.1]:80', /no IPv6 address between its brackets/],
  ['[]:80', /no IPv6 address between its brackets/],
  ['256.0.0.1:80', /neither a host name nor an IP address/],
  ['10.0.1:80', /neither a host name nor an IP address/],
  ['*:80', /neither a host name nor an IP address/],
  ['exa mple:80', /neither a host name nor an IP address/],
  ['-x.example:80', /neither a host name nor an IP address/],
  ['a..b:80', /neither a host name nor an IP address/],
  [`${'a'.repeat(64)}:80`, /neither a host name nor an IP address/],
  ['http://example.org:80', /is a URL/],
  ['unix:', /absolute path/],
  ['unix:app.sock', /absolute path/],
  ['unix:/a\0b', /absolute path/],
  [`unix:/${'a'.repeat(103)}`, /too long for a unix socket/],
];

for (const [text, problem] of refusals) {
  test(`${JSON.stringify(text).slice(0, 40)} is no address, and the message says why`, (t) => {
    const error = t.throws(() => parseAddress(text), { instanceOf: RangeError, message: problem });
    t.true(error?.message.startsWith(`"${text}"`));
  });
}

test('a host that stands alone is a name, or one text for each IP address', (t) => {
  for (const [text, host] of [
    ['example.org', 'example.org'],
    ['example.org.', 'example.org'],
    ['localhost', 'localhost'],
    ['10.0.0.1', '10.0.0.1'],
    ['[2001:DB8::0:5]', '2001:db8::5'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
  ] as const) {
    t.is(parseHostAlone(text), host);
  }
  for (const text of [
    '',
    'a.example:80',
    'http://a',
    '10.0.0',
    '*.a.example',
    '::',
    '::1.2.3.4',
    'a,b',
    'bücher.example',
  ]) {
    t.throws(() => parseHostAlone(text), { instanceOf: RangeError, message: /^".*"/ }, text);
  }
});

test('a port alone takes the default host if there is one', (t) => {
  t.deepEqual(parseAddress('3000', { defaultHost: '127.0.0.1' }), { host: '127.0.0.1', port: 3000 });
  t.throws(() => parseAddress('70000', { defaultHost: '127.0.0.1' }), { message: /no valid port/ });
});

test('port 0 is accepted where the caller asks for it', (t) => {
  t.deepEqual(parseAddress('127.0.0.1:0', { allowPortZero: true }), { host: '127.0.0.1', port: 0 });
});

test('every address is read back as it was written', (t) => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  const address: fc.Arbitrary<Address> = fc.oneof(
    fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }),
    fc.record({ path: fc.stringMatching(/^\/[ -~]{0,100}$/) }),
  );
  fc.assert(
    fc.property(address, (given) => {
      t.deepEqual(parseAddress(formatAddress(given)), { ...given });
    }),
  );
});

const loopback: [host: string, expected: boolean][] = [
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['::ffff:127.0.0.1', true],
  ['::FFFF:7f00:1', true],
  ['localhost', true],
  ['LocalHost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['128.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['127.example.org', false],
  ['localhost.example.org', false],
  ['', false],
];

for (const [host, expected] of loopback) {
  test(`"${host}" ${expected ? 'is' : 'is not'} this machine alone`, (t) => {
    t.is(isLoopback(host), expected);
  });
}

const normalised: [ip: string, expected: string][] = [
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::FFFF:0a01:0203', '10.1.2.3'],
  ['0:0:0:0:0:ffff:a01:203', '10.1.2.3'],
  ['::ffff:10.1.2.3%eth0', '10.1.2.3'],
  ['::ffff:0:a01:203', '::ffff:0:a01:203'],
  ['fe80::1%eth0', 'fe80::1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:0db8::0001', '2001:db8::1'],
  ['::', '::'],
];

for (const [ip, expected] of normalised) {
  test(`the address ${ip} is written ${expected}`, (t) => {
    t.is(normaliseIp(ip), expected);
  });
}

test('what is not an IP address has no normal form', (t) => {
  t.throws(() => normaliseIp('example.org'), { instanceOf: RangeError });
});

test('equal IPv6 addresses have one text, which stays as it is', (t) => {
  fc.assert(
    fc.property(fc.ipV6(), (ip) => {
      t.is(normaliseIp(ip.toUpperCase()), normaliseIp(ip));
      t.is(normaliseIp(normaliseIp(ip)), normaliseIp(ip));
    }),
  );
});

/** A client connected to a listener, and the listener's end of it. */
async function socketPair(where: ListenOptions) {
  const listener = createServer().listen(where);
  await once(listener, 'listening');
  const address = listener.address();
  const target = address === null || typeof address === 'string' ? { path: String(address) } : { port: address.port };
  const client = connect({ ...target, host: where.host === '::' ? '127.0.0.1' : (where.host ?? 'localhost') });
  const [[server]] = (await Promise.all([once(listener, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

const ends: [host: string, expected: RegExp][] = [
  ['127.0.0.1', /^127\.0\.0\.1:\d+$/],
  ['::1', /^\[::1\]:\d+$/],
  ['::', /^127\.0\.0\.1:\d+$/],
];

for (const [host, expected] of ends) {
  test(`both ends of a connection to a listener on ${host} are named alike`, async (t) => {
    await using pair = await socketPair({ host, port: 0 });
    t.regex(remoteOf(pair.server), expected);
    t.is(remoteOf(pair.server), localOf(pair.client));
    t.is(localOf(pair.server), remoteOf(pair.client));
  });
}

test('the ends of a unix socket are called unix', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'poold-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  await using pair = await socketPair({ path: join(folder, 'a.sock') });
  t.deepEqual(
    [remoteOf(pair.server), localOf(pair.server), remoteOf(pair.client), localOf(pair.client)],
    ['unix', 'unix', 'unix', 'unix'],
  );
});

test('the ends of a socket that is not connected are unknown', (t) => {
  t.is(remoteOf(new Socket()), 'unknown');
});
