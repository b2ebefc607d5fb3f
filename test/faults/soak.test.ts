/** Hours of use in half of one: a steady load on connections that are replaced all the time, and nothing grows. */
import { readdir, readFile } from 'node:fs/promises';
import test from 'ava';
import type { Child } from '../helpers/child.ts';
import { startFaultPair } from '../helpers/fault-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, lasting, startVisitors } from '../helpers/visitor-load.ts';

const MINUTE_MS = 60_000;
const SOAK_MS = Number(process.env['POOLD_SOAK_MINUTES'] ?? 30) * MINUTE_MS;

/** Each minute, and not less often than a tenth of the whole: what is there by then is what may be there at the end. */
const SAMPLE_MS = Math.min(MINUTE_MS, SOAK_MS / 10);

/** About 40 visits a second: each takes one pause, and another one follows. */
const VISITORS = 4;
const PAUSE_MS = 48;

const SMALL_BYTES = 2000;
const LARGE_BYTES = 2_000_000;

/** What memory may grow by behind the first tenth, as a share of it; and descriptors that are in use or not by chance. */
const GROWTH = 1.2;
const FEW = 10;

const WARNINGS = /"level":[456]0/;

interface Sample {
  readonly rssMb: number;
  readonly descriptors: number;
}

async function sampleOf({ process: { pid } }: Child): Promise<Sample> {
  const [, kB = ''] = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
  return { rssMb: Number(kB) / 1024, descriptors };
}

(process.env['POOLD_LONG'] === undefined ? test.skip : test)(
  'a soak: memory and descriptors stay as they are',
  async (t) => {
    t.timeout(SOAK_MS + 5 * MINUTE_MS);
    await using target = await startTarget(echo);
    const { client, server, port } = await startFaultPair(t, { target: target.port, client: ['--max-lifetime', '2m'] });
    const sizeOf = (number: number): number => (number % 100 === 0 ? LARGE_BYTES : SMALL_BYTES);
    await using load = startVisitors({ port, visitors: VISITORS, pauseMs: PAUSE_MS, limitMs: 20_000, sizeOf });
    const samples = { server: [] as Sample[], client: [] as Sample[] };
    const startedAt = performance.now();
    while (performance.now() - startedAt < SOAK_MS) {
      await lasting(SAMPLE_MS);
      samples.server.push(await sampleOf(server));
      samples.client.push(await sampleOf(client));
    }
    const tookMs = performance.now() - startedAt;
    const tally = await load.stop();
    t.log(`${Math.round((tally.sent / tookMs) * 1000)} visits a second; ${JSON.stringify(tally)}`);
    t.is(tally.answered, tally.sent);
    t.deepEqual(badOf(tally), { lost: 0, wrong: 0, hung: 0 });
    for (const [who, taken] of Object.entries(samples)) {
      t.log(`${who}: ${taken.map(({ rssMb, descriptors }) => `${Math.round(rssMb)} MB ${descriptors}`).join(', ')}`);
      const [early, last] = [taken[Math.round(taken.length / 10) - 1], taken.at(-1)];
      if (early === undefined || last === undefined) throw new Error('too few samples');
      t.true(last.rssMb <= early.rssMb * GROWTH, `${who}: ${early.rssMb} MB, then ${last.rssMb} MB`);
      t.true(Math.abs(last.descriptors - early.descriptors) <= FEW, `${early.descriptors}, then ${last.descriptors}`);
    }
    t.notRegex(server.output + client.output, WARNINGS);
  },
);
