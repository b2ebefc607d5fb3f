import test from 'ava';
import fc from 'fast-check';
import { Batch } from '../../../src/shared/request/batch.ts';

const piece = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
);

test('text and bytes leave in order, and mostly as one piece', (t) => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const batch = new Batch();
      for (const one of pieces) batch.add(one);
      const taken = batch.take();
      t.true(taken.length <= 1);
      t.deepEqual(Buffer.concat(taken.map(asBuffer)), Buffer.concat(pieces.map(asBuffer)));
      t.deepEqual([batch.size, batch.take()], [0, []]);
    }),
  );
});

test('what is large is not copied', (t) => {
  const [one, two] = [Buffer.alloc(200_000, 1), Buffer.alloc(200_000, 2)];
  const batch = new Batch();
  batch.add(one);
  batch.add(two);
  const [first, second] = batch.take();
  t.true(first === one && second === two);
});

function asBuffer(bytes: string | Uint8Array): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes);
}
