import test from 'ava';
import fc from 'fast-check';
import { V1BinaryProxyProtocol, V2ProxyProtocol } from 'proxy-protocol-js';
import { ProtocolError } from '../../../src/shared/errors.ts';
import { normaliseIp } from '../../../src/shared/net/address.ts';
import {
  decodeProxyHeader,
  encodeProxyHeader,
  type ProxyEnds,
  type ProxyVersion,
} from '../../../src/shared/net/proxy-header.ts';

const V4: ProxyEnds = {
  source: { host: '203.0.113.7', port: 50_000 },
  destination: { host: '198.51.100.1', port: 443 },
};
const V6: ProxyEnds = {
  source: { host: '2001:db8::7', port: 65_535 },
  destination: { host: '::1', port: 1 },
};
const VERSIONS: readonly ProxyVersion[] = [1, 2];

test('version 1 is the line that the specification gives', (t) => {
  t.is(encodeProxyHeader(1, V4).toString(), 'PROXY TCP4 203.0.113.7 198.51.100.1 50000 443\r\n');
  t.is(encodeProxyHeader(1, V6).toString(), 'PROXY TCP6 2001:db8::7 ::1 65535 1\r\n');
  t.is(encodeProxyHeader(1, undefined).toString(), 'PROXY UNKNOWN\r\n');
});

test('version 2 is the bytes that the specification gives', (t) => {
  const start = '0d0a0d0a000d0a515549540a';
  t.is(encodeProxyHeader(2, V4).toString('hex'), `${start}2111000ccb007107c6336401c35001bb`);
  t.is(encodeProxyHeader(2, undefined).toString('hex'), `${start}20000000`);
});

test('IPv4 and IPv6 in one connection are both IPv6', (t) => {
  const mixed = { source: V4.source, destination: V6.destination };
  t.is(encodeProxyHeader(1, mixed).toString(), 'PROXY TCP6 ::ffff:203.0.113.7 ::1 50000 1\r\n');
  for (const version of VERSIONS) t.deepEqual(decodeProxyHeader(encodeProxyHeader(version, mixed))?.ends, mixed);
});

test('ends that are no IP addresses, such as a unix socket, are not known', (t) => {
  const ends = { ...V4, source: { host: 'unix', port: 0 } };
  for (const version of VERSIONS) {
    t.deepEqual(encodeProxyHeader(version, ends), encodeProxyHeader(version, undefined));
    t.is(decodeProxyHeader(encodeProxyHeader(version, ends))?.ends, undefined);
  }
});

const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map(normaliseIp);
const ends = fc.record({
  source: fc.record({ host: ip, port: fc.nat(65_535) }),
  destination: fc.record({ host: ip, port: fc.nat(65_535) }),
});

test('whatever is written is read again, and what stands behind it is left', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...VERSIONS), ends, fc.uint8Array(), (version, written, rest) => {
      const header = encodeProxyHeader(version, written);
      t.deepEqual(decodeProxyHeader(Buffer.concat([header, rest])), { ends: written, bytes: header.length });
      for (let length = 0; length < header.length; length += 1) {
        t.is(decodeProxyHeader(header.subarray(0, length)), undefined);
      }
    }),
  );
});

test('another implementation reads the same, and what it writes is read', (t) => {
  const onePort = fc.integer({ min: 1, max: 65_535 });
  const pair = fc.tuple(fc.ipV4(), fc.ipV4(), onePort, onePort);
  fc.assert(
    fc.property(pair, ([from, to, fromPort, toPort]) => {
      const written = { source: { host: from, port: fromPort }, destination: { host: to, port: toPort } };
      const line = V1BinaryProxyProtocol.parse(encodeProxyHeader(1, written));
      t.deepEqual([line.source.ipAddress, line.destination.port], [from, toPort]);
      t.deepEqual(decodeProxyHeader(Buffer.from(line.build()))?.ends, written);
      const binary = V2ProxyProtocol.parse(encodeProxyHeader(2, written));
      t.like(binary.proxyAddress, { sourceAddress: { address: from.split('.').map(Number) }, destinationPort: toPort });
      t.deepEqual(decodeProxyHeader(Buffer.from(binary.build()))?.ends, written);
    }),
  );
});

test('what balancers add behind the addresses is read past', (t) => {
  const header = encodeProxyHeader(2, V4);
  const added = Buffer.from([0x04, 0, 3, 1, 2, 3]);
  header.writeUInt16BE(12 + added.length, 14);
  t.deepEqual(decodeProxyHeader(Buffer.concat([header, added, Buffer.from('GET /')])), {
    ends: V4,
    bytes: header.length + added.length,
  });
});

test('a header of datagrams and one of a unix socket are taken', (t) => {
  const header = encodeProxyHeader(2, V4);
  header[13] = 0x12;
  t.deepEqual(decodeProxyHeader(header)?.ends, V4);
  header[13] = 0x31;
  t.deepEqual(decodeProxyHeader(header), { ends: undefined, bytes: header.length });
});

function binary(change: (header: Buffer) => void): Buffer {
  const header = encodeProxyHeader(2, V4);
  change(header);
  return header;
}

const BAD: readonly [what: string, bytes: Buffer][] = [
  ['no header', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a line without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
  ['a line whose end comes too late', Buffer.from(`PROXY UNKNOWN ${'1'.repeat(100)}\r\n`)],
  ['a line of another family', Buffer.from('PROXY TCP4 ::1 ::1 1 1\r\n')],
  ['a line with a bad port', Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n')],
  ['a line with too many words', Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n')],
  ['a line with too few words', Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n')],
  ['another version', binary((header) => void (header[12] = 0x11))],
  ['another command', binary((header) => void (header[12] = 0x22))],
  ['addresses that are too short', binary((header) => void header.writeUInt16BE(11, 14))],
  ['a length that nobody needs', binary((header) => void header.writeUInt16BE(4097, 14))],
];

for (const [what, bytes] of BAD) {
  test(`case 25: ${what} is refused`, (t) => {
    t.throws(() => decodeProxyHeader(bytes), { instanceOf: ProtocolError });
  });
}

test('arbitrary bytes are read, waited for, or refused', (t) => {
  const start = fc.constantFrom(Buffer.alloc(0), Buffer.from('PROXY TCP6 '), encodeProxyHeader(2, V4).subarray(0, 12));
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (first, rest) => {
      try {
        const read = decodeProxyHeader(Buffer.concat([first, rest]));
        t.true(read === undefined || read.bytes <= first.length + rest.length);
      } catch (error) {
        t.true(error instanceof ProtocolError);
      }
    }),
    { numRuns: 2000 },
  );
});
