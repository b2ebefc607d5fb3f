/**
 * `npm run bench`: measures poold beside a bare Node pipe in the same run and in turns (A B A B), prints the tables, and
 * writes bench/results/NAME.json and NAME.md. `--rows visit,core` measures only those; `--quick` takes under a minute, and
 * fails only if something was lost; `--turns N` takes so many turns; `--name NAME` names the result.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { table } from './figures.ts';
import { freePort, program, script, startNode, stop } from './processes.ts';
import { type Goal, isMet, type Row, type RowResult } from './row.ts';
import { bulkRow } from './rows/bulk.ts';
import { burstRow } from './rows/burst.ts';
import { coreRow } from './rows/core.ts';
import { datagramsRow } from './rows/datagrams.ts';
import { idleRow } from './rows/idle.ts';
import { longPathRow } from './rows/long-path.ts';
import { visitRow } from './rows/visit.ts';
import { warmUpRow } from './rows/warm-up.ts';
import { workersRow } from './rows/workers.ts';

const ROWS: Readonly<Record<string, Row>> = {
  visit: visitRow,
  burst: burstRow,
  bulk: bulkRow,
  idle: idleRow,
  'warm-up': warmUpRow,
  'long-path': longPathRow,
  workers: workersRow,
  datagrams: datagramsRow,
  core: coreRow,
};

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    name: { type: 'string', default: 'latest' },
    rows: { type: 'string', default: Object.keys(ROWS).join(',') },
    turns: { type: 'string', default: '5' },
  },
});
const quick = values.quick;
const turns = quick ? 1 : Number(values.turns);
const chosen = values.rows.split(',');
const unknown = chosen.filter((name) => !(name in ROWS));
if (unknown.length > 0 || !(turns >= 1)) {
  throw new Error(`--rows knows ${Object.keys(ROWS).join(', ')}, not ${unknown.join(', ')}; --turns wants a number`);
}

function goalTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => {
    const { what, figure, limit, sense, unit } = goal;
    const digits = unit === 'ms' ? 0 : 2;
    return [what, `${sense} ${limit} ${unit}`, figure.toFixed(digits), isMet(goal) ? 'yes' : 'no'];
  });
  return table(['what', 'goal', 'measured', 'met'], rows);
}

/** Writes what there is so far, for a later row may fail; returns the text. */
async function keep(results: ReadonlyMap<string, RowResult>): Promise<string> {
  const machine = `${cpus().length} cores of ${cpus()[0]?.model.trim()}, Node ${process.version}`;
  const parts = [...results].map(([name, { text }]) => `## ${name}\n\n${text}\n`);
  const goals = [...results.values()].flatMap((result) => result.goals);
  const text = [`${machine}, ${turns} turns.\n`, ...parts, `## goals\n\n${goalTable(goals)}\n`].join('\n');
  const folder = script('../../bench/results/');
  await mkdir(folder, { recursive: true });
  const figures = Object.fromEntries([...results].map(([name, result]) => [name, result.figures]));
  await writeFile(`${folder}${values.name}.json`, `${JSON.stringify({ machine, turns, goals, figures }, null, 2)}\n`);
  await writeFile(`${folder}${values.name}.md`, text);
  return text;
}

try {
  const target = await freePort();
  await startNode(program('target', target), /ready/);
  const setup = { target, turns, quick, progress: (text: string) => process.stderr.write(`${text}\n`) };
  const results = new Map<string, RowResult>();
  let text = '';
  for (const name of chosen) {
    results.set(name, await (ROWS[name] as Row)(setup));
    text = await keep(results);
  }
  console.log(`\n${text}`);
  const lost = [...results].filter(([, result]) => result.lost > 0);
  for (const [name, result] of lost) console.error(`${name}: ${result.lost} lost`);
  if (lost.length > 0) process.exitCode = 1;
} finally {
  await stop();
}
