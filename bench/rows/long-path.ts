/** Row "long path": server and client 40 ms apart, visitors and target beside them. */
import { column, inTurns, median, spread, sum, table, type Turns } from '../figures.ts';
import type { Goal, Row } from '../row.ts';
import { atRest, barePipe, pooldPair, stopWays, type Way } from '../ways.ts';
import { type Seen, visits } from './visit.ts';

const ONE_WAY_MS = 20;
const ROUND_TRIP_MS = 2 * ONE_WAY_MS;

/** How many visit at once, the pool they meet, and how many round trips p99 may take beyond the bare pipe's. */
const CROWDS = [
  { visitors: 100, pool: 64, trips: 3 },
  { visitors: 500, pool: 64, trips: 5 },
  { visitors: 500, pool: 512, trips: 2 },
];

/** What a single visitor may wait beyond the round trip, ms. */
const SINGLE_EXTRA_MS = 5;

export const longPathRow: Row = async ({ target, turns, quick, progress }) => {
  const bare = await barePipe(target);
  const rows: string[][] = [];
  const goals: Goal[] = [];
  const figures: Record<string, unknown> = {};
  let lost = 0;
  const report = (what: string, taken: Turns<Seen>, names: readonly string[]): void => {
    figures[what] = Object.fromEntries(taken);
    for (const name of names) {
      const of = (pick: (seen: Seen) => number): number[] => column(taken, name, pick);
      const missing = sum(of((seen) => seen.lost));
      lost += missing;
      rows.push([
        name,
        what,
        spread(
          of(({ p50Ms }) => p50Ms),
          0,
        ),
        spread(
          of(({ p99Ms }) => p99Ms),
          0,
        ),
        String(missing),
      ]);
    }
  };
  const pair = (tls: 0 | 1, min: number): Promise<Way> => pooldPair(target, { tls, min, delayMs: ONE_WAY_MS });
  const crowds = quick ? CROWDS.slice(0, 1) : CROWDS;
  for (const min of new Set(crowds.map(({ pool }) => pool))) {
    const pairs = [await pair(0, min), await pair(1, min)];
    const names = pairs.map(({ name }) => name);
    for (const way of [bare, ...pairs]) await visits(way, quick ? 64 : 1000, 32);
    if (min === 64) {
      const taken = await inTurns(pairs, turns, (way, turn) => {
        progress(`long path, one visitor, turn ${turn + 1} of ${turns}: ${way.name}`);
        return visits(way, quick ? 5 : 50, 1);
      });
      report('1 visitor', taken, names);
      for (const name of names) {
        const figure = median(column(taken, name, ({ p50Ms }) => p50Ms));
        const limit = ROUND_TRIP_MS + SINGLE_EXTRA_MS;
        goals.push({ what: `long path, p50 of one visitor, ${name}`, figure, limit, sense: 'at most', unit: 'ms' });
      }
    }
    for (const { visitors, trips } of crowds.filter(({ pool }) => pool === min)) {
      const taken = await inTurns([bare, ...pairs], turns, async (way, turn) => {
        progress(`long path, ${visitors} at once, ${min} pooled, turn ${turn + 1} of ${turns}: ${way.name}`);
        const seen = await visits(way, visitors, visitors);
        await atRest(way);
        return seen;
      });
      const what = `${visitors} at once, ${min} pooled`;
      report(what, taken, [bare.name, ...names]);
      const p99 = (name: string): number[] => column(taken, name, ({ p99Ms }) => p99Ms);
      for (const name of names) {
        const beyond = p99(name).map((ms, turn) => (ms - (p99(bare.name)[turn] ?? Number.NaN)) / ROUND_TRIP_MS);
        const goal = { figure: median(beyond), limit: trips, sense: 'at most', unit: 'round trips' } as const;
        goals.push({ what: `long path, p99 beyond the bare pipe's, ${what}, ${name}`, ...goal });
      }
    }
    await stopWays(pairs);
  }
  await stopWays([bare]);
  const text =
    `A delay of ${ONE_WAY_MS} ms each way between server and client, the TCP handshake included; the bare pipe has none.\n\n` +
    table(['way', 'visitors', 'p50, ms', 'p99, ms', 'lost'], rows);
  return { text, figures, goals, lost };
};
