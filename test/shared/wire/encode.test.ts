import test from 'ava';
import {
  encodeDemand,
  encodeFrame,
  encodeHeader,
  encodePing,
  encodePong,
  encodeReset,
  writeHeader,
} from '../../../src/shared/wire/encode.ts';
import { FrameType, MAX_VISIT, payloadLimit } from '../../../src/shared/wire/frame.ts';
import { decodeReset } from '../../../src/shared/wire/messages.ts';

test('frames have the bytes that docs/protocol.md describes', (t) => {
  const table: [frame: Buffer, hex: string][] = [
    [encodeFrame(FrameType.fin, 1), '13 000000 00000001'],
    [encodeFrame(FrameType.data, 0x01020304, Buffer.from('hi')), '12 000002 01020304 6869'],
    [encodeFrame(FrameType.opened, MAX_VISIT, Buffer.alloc(0)), '11 000000 ffffffff'],
    [encodeHeader(FrameType.data, 7, 0x03ffff), '12 03ffff 00000007'],
    [encodeReset(9, 0x0102, 'no'), '14 000004 00000009 0102 6e6f'],
    [encodeReset(9, 4), '14 000002 00000009 0004'],
    [encodeDemand(258), '30 000004 00000000 00000102'],
    [encodePing(Buffer.from('0011223344556677', 'hex')), '20 000008 00000000 0011223344556677'],
    [encodePong(Buffer.from('8899aabbccddeeff', 'hex')), '21 000008 00000000 8899aabbccddeeff'],
  ];
  for (const [frame, hex] of table) t.is(frame.toString('hex'), hex.replaceAll(' ', ''));
});

test('a header is written where it is wanted and touches nothing else', (t) => {
  const target = Buffer.alloc(10, 0xee);
  writeHeader(target, 1, FrameType.drain, 0, 0);
  t.is(target.toString('hex'), 'ee3100000000000000ee');
});

test('a payload of exactly the limit is sent, one byte more is a bug of the caller', (t) => {
  for (const type of Object.values(FrameType)) {
    const limit = payloadLimit(type);
    t.is(encodeFrame(type, 1, Buffer.alloc(limit)).length, 8 + limit);
    t.throws(() => encodeFrame(type, 1, Buffer.alloc(limit + 1)), { instanceOf: RangeError });
    t.throws(() => encodeHeader(type, 1, limit + 1), { instanceOf: RangeError });
  }
});

test('numbers that do not fit their field are bugs of the caller', (t) => {
  t.throws(() => encodeFrame(FrameType.fin, MAX_VISIT + 1), { instanceOf: RangeError });
  t.throws(() => encodeFrame(FrameType.fin, -1), { instanceOf: RangeError });
  t.throws(() => encodeHeader(FrameType.data, 1, -1), { instanceOf: RangeError });
  t.throws(() => encodeReset(1, 65_536), { instanceOf: RangeError });
  t.throws(() => encodeDemand(-1), { instanceOf: RangeError });
  t.throws(() => encodePing(Buffer.alloc(7)), { instanceOf: RangeError });
  t.throws(() => encodePong(Buffer.alloc(9)), { instanceOf: RangeError });
});

test('a RESET message that is too long is cut between two characters', (t) => {
  // 511 bytes of ASCII leave one byte, and a euro sign needs three.
  for (const [message, kept] of [
    ['x'.repeat(600), 'x'.repeat(512)],
    [`${'x'.repeat(511)}€`, 'x'.repeat(511)],
    [`${'x'.repeat(509)}€`, `${'x'.repeat(509)}€`],
  ] as const) {
    const frame = encodeReset(1, 19, message);
    t.is(frame.readUIntBE(1, 3), frame.length - 8);
    t.deepEqual(decodeReset(frame.subarray(8)), { code: 19, message: kept });
  }
});
