import test from 'ava';
import { spareForConnections, spareForVisitors } from '../../../src/shared/policy/descriptors.ts';

const rows: [limit: number, visitors: number, connections: number][] = [
  [64, 8, 4],
  [256, 32, 16],
  [1024, 64, 32],
  [1_048_576, 64, 32],
];

for (const [limit, visitors, connections] of rows) {
  test(`of ${limit} descriptors visitors leave ${visitors} free, and pooled connections ${connections}`, (t) => {
    t.is(spareForVisitors(limit), visitors);
    t.is(spareForConnections(limit), connections);
  });
}
