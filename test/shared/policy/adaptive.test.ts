import test from 'ava';
import fc from 'fast-check';
import { nextCapacity, nextInterval } from '../../../src/shared/policy/adaptive.ts';

const intervalBounds = { minIntervalMs: 100, maxIntervalMs: 1000 };
const capacityBounds = { minCapacity: 8, maxCapacity: 1024 };

const intervals: [idle: number, capacity: number, interval: number, expected: number][] = [
  [0, 10, 500, 400],
  [1, 10, 500, 400],
  [2, 10, 500, 500],
  [7, 35, 500, 500],
  [6, 35, 500, 400],
  [8, 10, 500, 500],
  [28, 35, 500, 500],
  [9, 10, 500, 600],
  [10, 10, 500, 600],
  [20, 10, 500, 600],
  [0, 10, 150, 100],
  [0, 10, 100, 100],
  [10, 10, 950, 1000],
  [10, 10, 1000, 1000],
  [0, 0, 500, 500],
  [5, 10, 5000, 1000],
];

for (const [idle, capacity, interval, expected] of intervals) {
  test(`${idle} idle of ${capacity} wanted: the interval of ${interval} ms becomes ${expected}`, (t) => {
    t.is(nextInterval({ idle, capacity, interval }, intervalBounds), expected);
  });
}

const capacities: [created: number, capacity: number, expected: number][] = [
  [0, 64, 63],
  [12, 64, 63],
  [13, 64, 64],
  [20, 100, 100],
  [19, 100, 99],
  [80, 100, 100],
  [81, 100, 101],
  [64, 64, 65],
  [0, 8, 8],
  [1024, 1024, 1024],
  [0, 2000, 1024],
];

for (const [created, capacity, expected] of capacities) {
  test(`${created} made at a capacity of ${capacity}: it becomes ${expected}`, (t) => {
    t.is(nextCapacity({ created, capacity }, capacityBounds), expected);
  });
}

test('2,000 rounds at rest end at the smallest capacity and the longest interval', (t) => {
  let capacity = capacityBounds.maxCapacity;
  let interval = intervalBounds.minIntervalMs;
  for (let round = 0; round < 2000; round += 1) {
    interval = nextInterval({ idle: capacity, capacity, interval }, intervalBounds);
    capacity = nextCapacity({ created: 0, capacity }, capacityBounds);
  }
  t.is(capacity, capacityBounds.minCapacity);
  t.is(interval, intervalBounds.maxIntervalMs);
});

const bounds = fc.tuple(fc.nat(5000), fc.nat(5000)).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }));

test('the interval never leaves its bounds', (t) => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), bounds, (idle, capacity, interval, { min, max }) => {
      const next = nextInterval({ idle, capacity, interval }, { minIntervalMs: min, maxIntervalMs: max });
      return next >= min && next <= max;
    }),
  );
  t.pass();
});

test('the capacity never leaves its bounds, and within them moves by one at most', (t) => {
  fc.assert(
    fc.property(fc.nat(6000), fc.nat(6000), bounds, (created, capacity, { min, max }) => {
      const next = nextCapacity({ created, capacity }, { minCapacity: min, maxCapacity: max });
      const inside = capacity >= min && capacity <= max;
      return next >= min && next <= max && (!inside || Math.abs(next - capacity) <= 1);
    }),
  );
  t.pass();
});
