/** Row "warm-up": from nothing to a full pool, and to the first visitor's answer. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { column, inTurns, median, ratios, spread, table } from '../figures.ts';
import { cpuMs, stop } from '../processes.ts';
import type { Goal, Row } from '../row.ts';
import { bareTls as startBareTls, pooldServer } from '../ways.ts';

/** Dials under way at once, in poold by default. */
const AT_A_TIME = 32;

const CPU_LIMIT = 1.3;
const FIRST_VISIT_LIMIT_MS = 600;

interface WarmUp {
  /** CPU of both sides from their start, ms. */
  readonly cpuMs: number;
  readonly seconds: number;
}

export const warmUpRow: Row = async ({ target, turns, quick, progress }) => {
  const count = quick ? 100 : 1024;
  const ways = [
    { name: 'bare tls.connect', measure: () => bareTls(count, []) },
    { name: 'bare tls.connect, session tickets', measure: () => bareTls(count, ['tickets']) },
    { name: 'poold, TLS 1', measure: () => warmUp(target, count) },
  ];
  const figures = await inTurns(ways, turns, ({ name, measure }, turn) => {
    progress(`warm-up, turn ${turn + 1} of ${turns}: ${name}`);
    return measure();
  });
  const first: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    progress(`warm-up, first visit, turn ${turn + 1} of ${turns}`);
    first.push(await firstVisit(target));
  }
  const cpu = (name: string): number[] => column(figures, name, (figure) => figure.cpuMs);
  const against = (name: string): number[] => ratios(cpu(name), cpu('bare tls.connect'));
  const rows = ways.map(({ name }) => [
    name,
    spread(against(name), 2),
    (median(cpu(name)) / count).toFixed(2),
    median(column(figures, name, ({ seconds }) => seconds)).toFixed(2),
  ]);
  const head = ['way', 'CPU, × bare tls.connect', 'CPU, ms a connection', 'from start to warm, s'];
  const goals: Goal[] = [
    {
      what: `CPU to ${count} pooled TLS connections`,
      figure: median(against('poold, TLS 1')),
      limit: CPU_LIMIT,
      sense: 'at most',
      unit: '× bare tls.connect',
    },
    {
      what: "from the client's start to the first visit served",
      figure: median(first),
      limit: FIRST_VISIT_LIMIT_MS,
      sense: 'at most',
      unit: 'ms',
    },
  ];
  return {
    text:
      `${count} TLS connections, ${AT_A_TIME} dials at a time, both processes from their start.\n\n${table(head, rows)}\n\n` +
      `From the start of \`poold client\` to the first visitor's answer: ${spread(first, 0)} ms.`,
    figures: { ...Object.fromEntries(figures), firstVisitMs: first },
    goals,
    lost: 0,
  };
};

async function bareTls(count: number, flags: readonly string[]): Promise<WarmUp> {
  const begin = performance.now();
  const { server, client } = await startBareTls(count, { atATime: AT_A_TIME, flags });
  const figures = { cpuMs: cpuMs([server, client]), seconds: (performance.now() - begin) / 1000 };
  await stop([server, client]);
  return figures;
}

async function warmUp(target: number, count: number): Promise<WarmUp> {
  const begin = performance.now();
  const { server, startClient } = await pooldServer(target, { tls: 1, min: count, clientFlags: ['--max', 2 * count] });
  const client = await startClient(/"warm"/);
  const figures = { cpuMs: cpuMs([server, client]), seconds: (performance.now() - begin) / 1000 };
  await stop([server, client]);
  return figures;
}

/** A visitor who waits already when the client starts: its answer comes with the first pooled connection. */
async function firstVisit(target: number): Promise<number> {
  const { server, visitors, startClient } = await pooldServer(target, { tls: 1 });
  const visitor = connect({ port: visitors, host: '127.0.0.1' });
  visitor.write('first');
  const begin = performance.now();
  const answered = once(visitor, 'data').then(() => performance.now() - begin);
  const client = await startClient(/"dialling"/);
  const durationMs = await answered;
  visitor.destroy();
  await stop([server, client]);
  return durationMs;
}
