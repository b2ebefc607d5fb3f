/** Row "visit": short visits, a connection of its own for each visitor. */
import { column, inTurns, median, ratios, spread, sum, table, type Turns } from '../figures.ts';
import { program, run } from '../processes.ts';
import { installedRivals } from '../rivals.ts';
import type { Goal, Row } from '../row.ts';
import { barePipe, type Cost, costOf, pooldPair, stopWays, type Way } from '../ways.ts';

/** Echoed in each visit, bytes. */
const VISIT_BYTES = 256;

/** What visitors saw. */
export interface Seen {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lost: number;
}

type VisitFigures = Seen & Cost;

/** The goals by way and visitors at a time, × the bare pipe's CPU. */
const LIMITS: Readonly<Record<string, number>> = { 'poold, TLS 0': 1.0, 'poold, TLS 1': 1.3 };

/** So many visits, so many at a time. */
export function visits(way: Way, count: number, atATime: number): Promise<Seen> {
  return run<Seen>(program('visitors', way.port, count, atATime, VISIT_BYTES));
}

export const visitRow: Row = async ({ target, turns, quick, progress }) => {
  const count = quick ? 300 : 4000;
  const pairs = [await pooldPair(target, { tls: 0 }), await pooldPair(target, { tls: 1 })];
  const ways = [await barePipe(target), ...pairs, ...(quick ? [] : await installedRivals(target))];
  // Until the code is compiled the order of the ways would matter more than the ways.
  for (const way of ways) await costOf(way, () => visits(way, quick ? 200 : 2000, 32));
  const figures = new Map<number, Turns<VisitFigures>>();
  for (const atATime of quick ? [32] : [1, 32, 256]) {
    const taken = await inTurns(ways, turns, (way, turn) => {
      progress(`visit, ${atATime} at a time, turn ${turn + 1} of ${turns}: ${way.name}`);
      return costOf(way, () => visits(way, count, atATime));
    });
    figures.set(atATime, taken);
  }
  await stopWays(ways);
  const rows = [...figures].flatMap(([atATime, byWay]) => ways.map(({ name }) => line(name, atATime, byWay, count)));
  const head = ['way', 'at a time', 'CPU a visit, × bare pipe', 'CPU, ms', 'visits/s', 'p50 / p99, ms'];
  const all = [...figures.values()].flatMap((byWay) => [...byWay.values()].flat());
  return {
    text: `${count} visits of ${VISIT_BYTES} B a turn.\n\n${table([...head, 'handshakes a turn', 'lost'], rows)}`,
    figures: Object.fromEntries([...figures].map(([atATime, byWay]) => [atATime, Object.fromEntries(byWay)])),
    goals: [...figures].flatMap(([atATime, byWay]) => (atATime === 1 ? [] : goals(atATime, byWay))),
    lost: sum(all.map(({ lost }) => lost)),
  };
};

function cpuRatios(name: string, byWay: Turns<VisitFigures>): number[] {
  const cpu = (way: string): number[] => column(byWay, way, ({ cpuMs }) => cpuMs);
  return ratios(cpu(name), cpu('bare pipe'));
}

function line(name: string, atATime: number, byWay: Turns<VisitFigures>, count: number): string[] {
  const of = (pick: (figures: VisitFigures) => number): number[] => column(byWay, name, pick);
  return [
    name,
    String(atATime),
    spread(cpuRatios(name, byWay), 2),
    (median(of(({ cpuMs }) => cpuMs)) / count).toFixed(3),
    median(of(({ perSecond }) => perSecond)).toFixed(0),
    `${median(of(({ p50Ms }) => p50Ms)).toFixed(1)} / ${median(of(({ p99Ms }) => p99Ms)).toFixed(1)}`,
    median(of(({ handshakes }) => handshakes)).toFixed(0),
    String(sum(of(({ lost }) => lost))),
  ];
}

function goals(atATime: number, byWay: Turns<VisitFigures>): Goal[] {
  return Object.entries(LIMITS).map(([name, limit]) => ({
    what: `CPU a visit, ${atATime} at a time, ${name}`,
    figure: median(cpuRatios(name, byWay)),
    limit,
    sense: 'at most',
    unit: '× bare pipe',
  }));
}
