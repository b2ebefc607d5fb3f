import test from 'ava';
import fc from 'fast-check';
import { missingConnections, type Shortage } from '../../../src/shared/policy/missing.ts';

const cases: [title: string, shortage: Shortage, expected: number][] = [
  ['an empty pool is filled', { idle: 0, connecting: 0, inUse: 0, capacity: 8, max: 1024 }, 8],
  ['a full pool dials nothing', { idle: 8, connecting: 0, inUse: 0, capacity: 8, max: 1024 }, 0],
  ['more idle than wanted is no reason to dial', { idle: 9, connecting: 0, inUse: 0, capacity: 8, max: 1024 }, 0],
  ['dials under way count as filled', { idle: 2, connecting: 5, inUse: 0, capacity: 8, max: 1024 }, 1],
  ['connections in use are replaced', { idle: 0, connecting: 0, inUse: 8, capacity: 8, max: 1024 }, 8],
  ['the maximum counts those in use', { idle: 0, connecting: 0, inUse: 8, capacity: 8, max: 10 }, 2],
  ['at the maximum nothing is dialled', { idle: 2, connecting: 2, inUse: 6, capacity: 8, max: 10 }, 0],
  ['above the maximum nothing is dialled', { idle: 2, connecting: 2, inUse: 8, capacity: 8, max: 10 }, 0],
  ['a demand beyond the shortage is met', { idle: 8, connecting: 0, inUse: 0, capacity: 8, max: 1024, demand: 5 }, 5],
  [
    'a demand within the shortage adds nothing',
    { idle: 0, connecting: 0, inUse: 0, capacity: 8, max: 99, demand: 5 },
    8,
  ],
  ['a demand counts the dials under way', { idle: 8, connecting: 3, inUse: 0, capacity: 8, max: 1024, demand: 5 }, 2],
  ['a demand stops at the maximum', { idle: 8, connecting: 0, inUse: 0, capacity: 8, max: 10, demand: 50 }, 2],
];

for (const [title, shortage, expected] of cases) {
  test(title, (t) => {
    t.is(missingConnections(shortage), expected);
  });
}

test('what is dialled never takes the pool past its maximum, and is never negative', (t) => {
  const n = fc.nat(3000);
  fc.assert(
    fc.property(
      fc.record({ idle: n, connecting: n, inUse: n, capacity: n, max: n, demand: n }),
      ({ idle, connecting, inUse, capacity, max, demand }) => {
        const missing = missingConnections({ idle, connecting, inUse, capacity, max, demand });
        const size = idle + inUse + connecting;
        return missing >= 0 && size + missing <= Math.max(max, size);
      },
    ),
  );
  t.pass();
});
