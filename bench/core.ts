/** Row "core": the pool core in process, against the cheapest thing that could stand in its place. */
import { ConnectionPool } from '../src/shared/pool/connection-pool.ts';
import type { PoolConnection } from '../src/shared/pool/pool-connection.ts';
import { median } from './figures.ts';

class Nothing implements PoolConnection {
  readonly closed = false;
  close(): void {}
  onClose(): void {}
}

export interface CoreFigures {
  readonly size: number;
  /** One `tryAcquire` and one `release`, ns. */
  readonly poolNs: number;
  /** One `pop` and one `push` of an array, ns. */
  readonly arrayNs: number;
}

function nanoseconds(rounds: number, work: () => void): number {
  const begin = performance.now();
  for (let round = 0; round < rounds; round += 1) work();
  return ((performance.now() - begin) * 1e6) / rounds;
}

/** Measures both in turns, and takes the medians. */
export function measureCore(size: number, turns: number, rounds: number): CoreFigures {
  const pool = new ConnectionPool<Nothing>({ max: size, min: size });
  const array: Nothing[] = [];
  for (let index = 0; index < size; index += 1) {
    pool.put(`c${index}`, new Nothing());
    array.push(new Nothing());
  }
  const figures = Array.from({ length: turns + 1 }, () => ({
    poolNs: nanoseconds(rounds, () => pool.tryAcquire()?.release()),
    arrayNs: nanoseconds(rounds, () => array.push(array.pop() as Nothing)),
  })).slice(1);
  pool.destroy();
  return {
    size,
    poolNs: median(figures.map(({ poolNs }) => poolNs)),
    arrayNs: median(figures.map(({ arrayNs }) => arrayNs)),
  };
}
