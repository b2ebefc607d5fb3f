/** Row "burst": many visitors in the same moment, on a pool that is warm for far fewer. */
import { column, inTurns, median, ratios, spread, sum, table } from '../figures.ts';
import { installedRivals } from '../rivals.ts';
import type { Goal, Row } from '../row.ts';
import { barePipe, costOf, pooldPair, stopWays } from '../ways.ts';
import { visits } from './visit.ts';

const P99_LIMIT = 1.5;

export const burstRow: Row = async ({ target, turns, quick, progress }) => {
  const visitors = quick ? 300 : 2000;
  const pairs = [await pooldPair(target, { tls: 0 }), await pooldPair(target, { tls: 1 })];
  const ways = [await barePipe(target), ...pairs, ...(quick ? [] : await installedRivals(target))];
  for (const way of ways) await costOf(way, () => visits(way, quick ? 200 : 2000, 32));
  const figures = await inTurns(ways, turns, (way, turn) => {
    progress(`burst, turn ${turn + 1} of ${turns}: ${way.name}`);
    return costOf(way, () => visits(way, visitors, visitors));
  });
  await stopWays(ways);
  const p99 = (name: string): number[] => column(figures, name, ({ p99Ms }) => p99Ms);
  const against = (name: string): number[] => ratios(p99(name), p99('bare pipe'));
  const rows = ways.map(({ name }) => [
    name,
    spread(against(name), 2),
    median(column(figures, name, ({ p50Ms }) => p50Ms)).toFixed(0),
    median(p99(name)).toFixed(0),
    median(column(figures, name, ({ handshakes }) => handshakes)).toFixed(0),
    String(sum(column(figures, name, ({ lost }) => lost))),
  ]);
  const head = ['way', 'p99, × bare pipe', 'p50, ms', 'p99, ms', 'handshakes a turn', 'lost'];
  const goals = pairs.map(({ name }): Goal => {
    const figure = median(against(name));
    return { what: `p99 of a burst, ${name}`, figure, limit: P99_LIMIT, sense: 'at most', unit: '× bare pipe' };
  });
  return {
    text: `${visitors} visitors at once, 64 pooled connections.\n\n${table(head, rows)}`,
    figures: Object.fromEntries(figures),
    goals,
    lost: sum(ways.flatMap(({ name }) => column(figures, name, ({ lost }) => lost))),
  };
};
