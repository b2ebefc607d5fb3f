/** Row "core": the pool core in process, against the cheapest thing that could stand in its place. */
import { ConnectionPool } from '../../src/shared/pool/connection-pool.ts';
import type { PoolConnection } from '../../src/shared/pool/pool-connection.ts';
import { median, table } from '../figures.ts';
import type { Goal, Row } from '../row.ts';

const SIZES = [64, 65_536];

/** How much of an array's speed the pool should have, and how much of it is left in a large one. */
const SHARE_LIMIT = 0.25;
const FLAT_LIMIT = 0.8;

class Nothing implements PoolConnection {
  readonly closed = false;
  close(): void {}
  onClose(): void {}
}

/** ns for one of each, medians of the turns. */
interface CoreFigures {
  readonly size: number;
  /** `tryAcquire` and `release`. */
  readonly acquireNs: number;
  /** `tryGet` by ID and `release`. */
  readonly getNs: number;
  /** `put` of a new connection. */
  readonly putNs: number;
  /** `pop` and `push` of an array. */
  readonly arrayNs: number;
}

export const coreRow: Row = ({ turns, quick, progress }) => {
  progress('core');
  const figures = SIZES.map((size) => measure(size, turns, quick ? 100_000 : 2_000_000));
  const rows = figures.map(({ size, acquireNs, getNs, putNs, arrayNs }) => [
    String(size),
    acquireNs.toFixed(0),
    getNs.toFixed(0),
    putNs.toFixed(0),
    arrayNs.toFixed(1),
    (arrayNs / acquireNs).toFixed(2),
  ]);
  const head = ['connections', 'tryAcquire + release, ns', 'tryGet + release, ns', 'put, ns', 'array, ns'];
  const goals = figures.map(({ size, acquireNs, arrayNs }): Goal => {
    const what = `speed of tryAcquire + release, ${size} connections`;
    return { what, figure: arrayNs / acquireNs, limit: SHARE_LIMIT, sense: 'at least', unit: '× array' };
  });
  const [small, large] = figures as [CoreFigures, CoreFigures];
  goals.push({
    what: 'speed with 65,536 connections',
    figure: small.acquireNs / large.acquireNs,
    limit: FLAT_LIMIT,
    sense: 'at least',
    unit: '× with 64',
  });
  return Promise.resolve({ text: table([...head, 'array ÷ tryAcquire + release'], rows), figures, goals, lost: 0 });
};

function nanoseconds(rounds: number, work: (round: number) => void): number {
  const begin = performance.now();
  for (let round = 0; round < rounds; round += 1) work(round);
  return ((performance.now() - begin) * 1e6) / rounds;
}

function measure(size: number, turns: number, rounds: number): CoreFigures {
  const connections = Array.from({ length: size }, () => new Nothing());
  const ids = connections.map((_, index) => `c${index}`);
  const array: Nothing[] = [...connections];
  // The first turn compiles.
  const taken = Array.from({ length: turns + 1 }, () => {
    const pool = new ConnectionPool<Nothing>({ max: size, min: size });
    const putNs = nanoseconds(size, (index) => pool.put(ids[index] as string, connections[index] as Nothing));
    const acquireNs = nanoseconds(rounds, () => pool.tryAcquire()?.release());
    const getNs = nanoseconds(rounds, (round) => pool.tryGet(ids[round % size] as string)?.release());
    const arrayNs = nanoseconds(rounds, () => array.push(array.pop() as Nothing));
    pool.destroy();
    return { putNs, acquireNs, getNs, arrayNs };
  }).slice(1);
  const of = (pick: (figures: (typeof taken)[number]) => number): number => median(taken.map(pick));
  return {
    size,
    acquireNs: of(({ acquireNs }) => acquireNs),
    getNs: of(({ getNs }) => getNs),
    putNs: of(({ putNs }) => putNs),
    arrayNs: of(({ arrayNs }) => arrayNs),
  };
}
