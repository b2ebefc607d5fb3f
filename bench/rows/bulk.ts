/** Row "bulk": large transfers, one and several at a time, in each direction. */
import { column, inTurns, median, ratios, spread, sum, table, type Turns } from '../figures.ts';
import { program, run } from '../processes.ts';
import { installedRivals } from '../rivals.ts';
import type { Goal, Row } from '../row.ts';
import { barePipe, type Cost, costOf, pooldPair, stopWays } from '../ways.ts';

type BulkFigures = Cost & { readonly lost: number; readonly seconds: number; readonly mbPerSecond: number };

/** What each way may cost, × bare pipe. */
const LIMITS: Readonly<Record<string, { readonly speed: number; readonly cpu: number }>> = {
  'poold, TLS 0': { speed: 0.85, cpu: 1.25 },
  'poold, TLS 1': { speed: 0.5, cpu: 2.3 },
};

export const bulkRow: Row = async ({ target, turns, quick, progress }) => {
  const megabytes = quick ? 32 : 1500;
  const pairs = [await pooldPair(target, { tls: 0 }), await pooldPair(target, { tls: 1 })];
  const ways = [await barePipe(target), ...pairs, ...(quick ? [] : await installedRivals(target))];
  const figures = new Map<string, Turns<BulkFigures>>();
  for (const direction of ['down', 'up']) {
    for (const streams of quick ? [8] : [1, 8]) {
      const bytes = (megabytes * 1e6) / streams;
      const taken = await inTurns(ways, turns, (way, turn) => {
        progress(`bulk, ${streams} × ${direction}, turn ${turn + 1} of ${turns}: ${way.name}`);
        return costOf(way, () => run<BulkFigures>(program('bulk', way.port, direction, streams, bytes)));
      });
      figures.set(`${direction} × ${streams}`, taken);
    }
  }
  await stopWays(ways);
  const speeds = (byWay: Turns<BulkFigures>, name: string): number[] =>
    column(byWay, name, ({ mbPerSecond }) => mbPerSecond);
  const cpus = (byWay: Turns<BulkFigures>, name: string): number[] =>
    column(byWay, name, ({ cpuMs }) => cpuMs / megabytes);
  const rows = [...figures].flatMap(([what, byWay]) =>
    ways.map(({ name }) => [
      what,
      name,
      spread(ratios(speeds(byWay, name), speeds(byWay, 'bare pipe')), 2),
      median(speeds(byWay, name)).toFixed(0),
      spread(ratios(cpus(byWay, name), cpus(byWay, 'bare pipe')), 2),
      median(cpus(byWay, name)).toFixed(2),
      String(sum(column(byWay, name, ({ lost }) => lost))),
    ]),
  );
  const goals = [...figures].flatMap(([what, byWay]) =>
    Object.entries(LIMITS).flatMap(([name, { speed, cpu }]): Goal[] => [
      {
        what: `MB/s, ${what}, ${name}`,
        figure: median(ratios(speeds(byWay, name), speeds(byWay, 'bare pipe'))),
        limit: speed,
        sense: 'at least',
        unit: '× bare pipe',
      },
      {
        what: `CPU a GB, ${what}, ${name}`,
        figure: median(ratios(cpus(byWay, name), cpus(byWay, 'bare pipe'))),
        limit: cpu,
        sense: 'at most',
        unit: '× bare pipe',
      },
    ]),
  );
  const head = ['streams', 'way', 'MB/s, × bare pipe', 'MB/s', 'CPU a GB, × bare pipe', 'CPU, s a GB', 'lost'];
  return {
    text: `${megabytes} MB a turn, over all streams.\n\n${table(head, rows)}`,
    figures: Object.fromEntries([...figures].map(([what, byWay]) => [what, Object.fromEntries(byWay)])),
    goals,
    lost: sum([...figures.values()].flatMap((byWay) => [...byWay.values()].flat().map(({ lost }) => lost))),
  };
};
