/**
 * `npm run bench`: measures poold against a bare Node pipe in the same run, in turns (A B A B), and writes the table and
 * bench/results/NAME.json. `--quick` takes under a minute, and fails only if something was lost. `--name NAME` names
 * the result.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type CoreFigures, measureCore } from './core.ts';
import { median, spread, table } from './figures.ts';
import { freePort, script, start, stopAll } from './processes.ts';
import { barePipe, measureVisits, pooldPair, type VisitFigures, type Way } from './visit.ts';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, name: { type: 'string', default: 'latest' } },
});
const turns = values.quick ? 1 : 5;
const visits = values.quick ? 400 : 4000;

/** Figures of each way by concurrency, one a turn. */
type VisitTurns = Record<string, Record<number, VisitFigures[]>>;

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function measureWays(ways: readonly Way[]): Promise<VisitTurns> {
  const figures: VisitTurns = {};
  // Until the code is compiled the order of the ways would matter more than the ways.
  for (const way of ways) await measureVisits(way, values.quick ? 200 : 2000, 32);
  for (const concurrency of [1, 32, 256]) {
    for (let turn = 0; turn < turns; turn += 1) {
      for (const way of ways) {
        progress(`visits, ${concurrency} at a time, turn ${turn + 1} of ${turns}: ${way.name}`);
        ((figures[way.name] ??= {})[concurrency] ??= []).push(await measureVisits(way, visits, concurrency));
      }
    }
  }
  return figures;
}

function visitTable(figures: VisitTurns, base: string): string {
  const rows = Object.entries(figures).flatMap(([name, byConcurrency]) =>
    Object.entries(byConcurrency).map(([concurrency, all]) => {
      const bare = figures[base]?.[Number(concurrency)] ?? [];
      const ratios = all.map(({ cpuMs }, turn) => cpuMs / (bare[turn]?.cpuMs ?? Number.NaN));
      return [
        name,
        concurrency,
        spread(ratios, 2),
        median(all.map(({ cpuMs }) => cpuMs)).toFixed(3),
        median(all.map(({ perSecond }) => perSecond)).toFixed(0),
        `${median(all.map(({ p50Ms }) => p50Ms)).toFixed(1)} / ${median(all.map(({ p99Ms }) => p99Ms)).toFixed(1)}`,
        String(all.reduce((sum, { lost }) => sum + lost, 0)),
      ];
    }),
  );
  const head = ['way', 'at a time', 'CPU a visit, × bare pipe', 'CPU, ms', 'visits/s', 'p50 / p99, ms', 'lost'];
  return table(head, rows);
}

function coreTable(figures: readonly CoreFigures[]): string {
  const rows = figures.map(({ size, poolNs, arrayNs }) => [
    String(size),
    poolNs.toFixed(0),
    arrayNs.toFixed(1),
    (arrayNs / poolNs).toFixed(3),
  ]);
  return table(['connections', 'tryAcquire + release, ns', 'array pop + push, ns', 'array ÷ pool'], rows);
}

try {
  const targetPort = await freePort();
  await start(script('target.js'), [targetPort], /ready/);
  const bare = await barePipe(targetPort);
  const figures = await measureWays([bare, await pooldPair(targetPort, 0), await pooldPair(targetPort, 1)]);
  const core = [64, 65_536].map((size) => measureCore(size, turns, values.quick ? 100_000 : 1_000_000));
  console.log(`\n${visitTable(figures, bare.name)}\n\n${coreTable(core)}`);
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, node: process.version };
  const folder = script('../../bench/results/');
  await mkdir(folder, { recursive: true });
  await writeFile(
    `${folder}${values.name}.json`,
    `${JSON.stringify({ machine, turns, visits, figures, core }, null, 2)}\n`,
  );
  const lost = Object.values(figures)
    .flatMap((way) => Object.values(way).flat())
    .reduce((sum, one) => sum + one.lost, 0);
  if (lost > 0) {
    console.error(`${lost} visits were lost`);
    process.exitCode = 1;
  }
} finally {
  await stopAll();
}
