import test from 'ava';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/shared/errors.ts';
import {
  checkDatagramLength,
  decodeFlow,
  decodeFlowEnd,
  encodeFlow,
  encodeFlowEnd,
  MAX_DATAGRAM_BYTES,
  MAX_FLOW,
  nextFlow,
  writeDatagramHeader,
} from '../../../src/shared/wire/datagram.ts';

const flows = fc.integer({ min: 0, max: MAX_FLOW });

test('FLOW and FLOWEND come back as they went', (t) => {
  const addresses = fc.constantFrom('192.0.2.1:4711', '[2001:db8::1]:1', '0.0.0.0:65535');
  fc.assert(
    fc.property(flows, addresses, (flow, remote) => {
      t.deepEqual(decodeFlow(encodeFlow({ flow, remote })), { flow, remote });
      t.is(decodeFlowEnd(encodeFlowEnd(flow)), flow);
    }),
  );
});

test('FLOW on the wire is the number and a JSON object', (t) => {
  const payload = encodeFlow({ flow: 0x01020304, remote: '192.0.2.1:53' });
  t.is(payload.toString('latin1'), '\x01\x02\x03\x04{"remote":"192.0.2.1:53"}');
});

for (const [what, json] of [
  ['no JSON', 'nonsense'],
  ['no object', '"192.0.2.1:53"'],
  ['no address', '{}'],
  ['a name for an address', '{"remote":"example.org:53"}'],
  ['an address without a port', '{"remote":"192.0.2.1"}'],
  ['a port with a zero in front', '{"remote":"192.0.2.1:053"}'],
  ['a port that is none', '{"remote":"192.0.2.1:65536"}'],
  ['a number for an address', '{"remote":4}'],
  ['what is not UTF-8', '\xff'],
] as const) {
  test(`a FLOW with ${what} is a protocol error`, (t) => {
    const payload = Buffer.concat([encodeFlowEnd(1), Buffer.from(json, 'latin1')]);
    t.throws(() => decodeFlow(payload), { instanceOf: ProtocolError, message: /^FLOW: / });
  });
}

test('a FLOW or FLOWEND of a wrong length is a protocol error', (t) => {
  for (const length of [0, 3]) t.throws(() => decodeFlow(Buffer.alloc(length)), { instanceOf: ProtocolError });
  for (const length of [0, 3, 5]) t.throws(() => decodeFlowEnd(Buffer.alloc(length)), { instanceOf: ProtocolError });
});

test('a DATA frame holds a flow and at most the longest datagram', (t) => {
  for (const length of [4, 5, MAX_DATAGRAM_BYTES + 4]) t.notThrows(() => checkDatagramLength(length));
  for (const length of [0, 3, MAX_DATAGRAM_BYTES + 5]) {
    t.throws(() => checkDatagramLength(length), { instanceOf: ProtocolError });
  }
});

test('a datagram stands behind the header of its frame and the number of its flow', (t) => {
  const bytes = Buffer.alloc(13);
  writeDatagramHeader(bytes, 1, 7, MAX_FLOW, 1200);
  t.is(bytes.toString('hex'), '00120004b400000007ffffffff');
  t.throws(() => writeDatagramHeader(bytes, 1, 7, MAX_FLOW + 1, 1200), { instanceOf: RangeError });
});

test('flow numbers count up from 1, and end', (t) => {
  t.is(nextFlow(0), 1);
  t.is(nextFlow(MAX_FLOW - 1), MAX_FLOW);
  t.is(nextFlow(MAX_FLOW), undefined);
});
