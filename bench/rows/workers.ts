/** Row "workers": a server of several processes, beside one of a single process. */
import { availableParallelism } from 'node:os';
import { column, inTurns, median, ratios, spread, sum, table } from '../figures.ts';
import { stop } from '../processes.ts';
import type { Goal, Row, RowResult } from '../row.ts';
import { costOf, pooldPair, pooldServer, stopWays, type Way } from '../ways.ts';
import { visits } from './visit.ts';

const VISITORS = 64;

/** CPU a visit, × one process. */
const CPU_LIMIT = 1.15;

/** The starts: so many processes, so few connections that some may have none, and visitors at once. */
const START_WORKERS = 4;
const START_MIN = 8;
const START_VISITS = 64;

export const workersRow: Row = async ({ target, turns, quick, progress }) => {
  const count = quick ? 300 : 4000;
  const workers = Math.max(2, availableParallelism());
  const single = { ...(await pooldPair(target, { tls: 1 })), name: 'one process' };
  const name = `${workers} processes`;
  const several = { ...(await pooldPair(target, { tls: 1, serverFlags: ['--workers', workers] })), name };
  const ways: readonly Way[] = [single, several];
  for (const way of ways) await costOf(way, () => visits(way, quick ? 200 : 3000, VISITORS));
  const figures = await inTurns(ways, turns, (way, turn) => {
    progress(`workers, turn ${turn + 1} of ${turns}: ${way.name}`);
    return costOf(way, () => visits(way, count, VISITORS));
  });
  await stopWays(ways);
  const starts = quick ? 2 : 100;
  progress(`workers, ${starts} starts`);
  let lost = 0;
  for (let start = 0; start < starts; start += 1) lost += await visitAtOnce(target);
  const cpu = (way: string): number[] => column(figures, way, (figure) => figure.cpuMs);
  const against = ratios(cpu(name), cpu(single.name));
  const rows = ways.map((way) => [
    way.name,
    spread(ratios(cpu(way.name), cpu(single.name)), 2),
    (median(cpu(way.name)) / count).toFixed(3),
    median(column(figures, way.name, ({ perSecond }) => perSecond)).toFixed(0),
    String(sum(column(figures, way.name, (figure) => figure.lost))),
  ]);
  const goals: Goal[] = [
    {
      what: `CPU a visit, ${name}, ${VISITORS} at a time`,
      figure: median(against),
      limit: CPU_LIMIT,
      sense: 'at most',
      unit: '× one process',
    },
    { what: `visits lost in ${starts} starts`, figure: lost, limit: 0, sense: 'at most', unit: 'visits' },
  ];
  const result: RowResult = {
    text:
      `${count} visits a turn, ${VISITORS} at a time, TLS 1.\n\n` +
      `${table(['server', 'CPU a visit, × one process', 'CPU, ms', 'visits/s', 'lost'], rows)}\n\n` +
      `${starts} starts with ${START_WORKERS} processes and ${START_MIN} pooled connections, ${START_VISITS} visits ` +
      `as soon as the client is warm: ${lost} lost.`,
    figures: { turns: Object.fromEntries(figures), starts, lostAtStart: lost },
    goals,
    lost: lost + sum(ways.flatMap((way) => column(figures, way.name, (figure) => figure.lost))),
  };
  return result;
};

/** Starts a pair with hardly a connection for each process, and sends visitors at once. Returns how many were lost. */
async function visitAtOnce(target: number): Promise<number> {
  const serverFlags = ['--workers', START_WORKERS];
  const { server, visitors, startClient } = await pooldServer(target, { tls: 1, min: START_MIN, serverFlags });
  const client = await startClient(/"warm"/);
  const way: Way = { name: 'start', port: visitors, hops: [server, client], processes: [server, client] };
  const { lost } = await visits(way, START_VISITS, START_VISITS);
  await stop([server, client]);
  return lost;
}
