/** Row "workers": a server of several processes, beside one of a single process. */
import { availableParallelism } from 'node:os';
import { column, inTurns, median, ratios, spread, sum, table, type Turns } from '../figures.ts';
import { stop } from '../processes.ts';
import type { Goal, Row, RowResult } from '../row.ts';
import { type Cost, costOf, pooldPair, pooldServer, stopWays, type Way } from '../ways.ts';
import { type Seen, visits } from './visit.ts';

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
  for (const way of ways) await costOf(way, () => visits(way, quick ? 200 : 3000, 64));
  const figures = new Map<number, Turns<Seen & Cost>>();
  for (const atATime of quick ? [64] : [64, 256]) {
    const taken = await inTurns(ways, turns, (way, turn) => {
      progress(`workers, ${atATime} at a time, turn ${turn + 1} of ${turns}: ${way.name}`);
      return costOf(way, () => visits(way, count, atATime));
    });
    figures.set(atATime, taken);
  }
  await stopWays(ways);
  const starts = quick ? 2 : 100;
  progress(`workers, ${starts} starts`);
  let lost = 0;
  for (let start = 0; start < starts; start += 1) lost += await visitAtOnce(target);
  const cpu = (taken: Turns<Cost>, way: string): number[] => column(taken, way, (figure) => figure.cpuMs);
  const against = (taken: Turns<Cost>, way: string): number[] => ratios(cpu(taken, way), cpu(taken, single.name));
  const rows = [...figures].flatMap(([atATime, taken]) =>
    ways.map((way) => [
      way.name,
      String(atATime),
      spread(against(taken, way.name), 2),
      (median(cpu(taken, way.name)) / count).toFixed(3),
      median(column(taken, way.name, ({ perSecond }) => perSecond)).toFixed(0),
      String(sum(column(taken, way.name, (figure) => figure.lost))),
    ]),
  );
  const goals = [...figures].map(([atATime, taken]): Goal => {
    const what = `CPU a visit, ${name}, ${atATime} at a time`;
    return { what, figure: median(against(taken, name)), limit: CPU_LIMIT, sense: 'at most', unit: '× one process' };
  });
  goals.push({ what: `visits lost in ${starts} starts`, figure: lost, limit: 0, sense: 'at most', unit: 'visits' });
  const all = [...figures.values()].flatMap((taken) => [...taken.values()].flat());
  const result: RowResult = {
    text:
      `${count} visits a turn, TLS 1.\n\n` +
      `${table(['server', 'at a time', 'CPU a visit, × one process', 'CPU, ms', 'visits/s', 'lost'], rows)}\n\n` +
      `${starts} starts with ${START_WORKERS} processes and ${START_MIN} pooled connections, ${START_VISITS} visits ` +
      `as soon as the client is warm: ${lost} lost.`,
    figures: {
      ...Object.fromEntries([...figures].map(([atATime, taken]) => [atATime, Object.fromEntries(taken)])),
      starts,
      lostAtStart: lost,
    },
    goals,
    lost: lost + sum(all.map((figure) => figure.lost)),
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
