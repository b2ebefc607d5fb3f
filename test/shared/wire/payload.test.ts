import test from 'ava';
import fc from 'fast-check';
import { FrameDecoder } from '../../../src/shared/wire/decode.ts';
import { encodeFrame } from '../../../src/shared/wire/encode.ts';
import { FrameType } from '../../../src/shared/wire/frame.ts';
import { Payload } from '../../../src/shared/wire/payload.ts';

test('a payload in one piece is that piece, and not a copy', (t) => {
  const payload = new Payload();
  const piece = Buffer.from('whole');
  payload.begin(piece.length);
  t.is(payload.add(piece, true), piece);
});

test('wherever a stream is cut, each payload comes out whole, and is no view of a piece', (t) => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 4 });
  const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(payloads, cuts, (all, sizes) => {
      const payload = new Payload();
      const whole: Buffer[] = [];
      const decoder = new FrameDecoder({
        onHeader: (_type, _visit, length) => payload.begin(length),
        onPayload: (piece, last) => {
          const bytes = payload.add(piece, last);
          if (bytes !== undefined) whole.push(Buffer.from(bytes));
          // What was read may be freed and used again.
          if (!last) piece.fill(0xee);
        },
      });
      const stream = Buffer.concat(all.map((bytes) => encodeFrame(FrameType.reject, 0, Buffer.from(bytes))));
      for (let at = 0, turn = 0; at < stream.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        decoder.push(Buffer.from(stream.subarray(at, at + size)));
        at += size;
      }
      t.deepEqual(
        whole,
        all.map((bytes) => Buffer.from(bytes)),
      );
    }),
  );
});

test('a frame that never became whole leaves nothing to the next', (t) => {
  const payload = new Payload();
  payload.begin(10);
  t.is(payload.add(Buffer.from('half'), false), undefined);
  payload.begin(3);
  t.is(payload.add(Buffer.from('o'), false), undefined);
  t.is(String(payload.add(Buffer.from('ne'), true)), 'one');
});
