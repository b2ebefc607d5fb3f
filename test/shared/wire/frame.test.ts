import test from 'ava';
import {
  FrameType,
  isBeforeTarget,
  isKnownType,
  isSkippable,
  payloadLimit,
  ResetCode,
} from '../../../src/shared/wire/frame.ts';

const BYTES = Array.from({ length: 256 }, (_, type) => type);

test('DATA, HELLO and OPEN have limits of their own, everything else has 16 KiB', (t) => {
  const own = new Map<number, number>([
    [FrameType.data, 262_144],
    [FrameType.hello, 4096],
    [FrameType.open, 1024],
  ]);
  for (const type of BYTES) t.is(payloadLimit(type), own.get(type) ?? 16_384, `type ${type}`);
});

test('a type is known, or may be skipped from 0x80 up, or is an error', (t) => {
  const known = new Set<number>(Object.values(FrameType));
  for (const type of BYTES) {
    t.is(isKnownType(type), known.has(type), `type ${type}`);
    t.is(isSkippable(type), type >= 0x80, `type ${type}`);
  }
});

test('only the codes 1 to 5 promise that no byte reached a target', (t) => {
  const safe = Array.from({ length: 70_000 }, (_, code) => code).filter(isBeforeTarget);
  t.deepEqual(safe, [1, 2, 3, 4, 5]);
  t.deepEqual(Object.values(ResetCode).filter(isBeforeTarget), [1, 2, 3, 4, 5]);
});
