/** SIGTERM under load: visits that are on end rightly within the grace period, and nothing sounds like trouble. */
import test from 'ava';
import { until } from '../helpers/events.ts';
import { startFaultPair } from '../helpers/fault-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';
import { badOf, startVisitors } from '../helpers/visitor-load.ts';

const WARNINGS = /"level":[456]0/;

for (const flow of ['reverse', 'forward'] as const) {
  for (const who of ['server', 'client'] as const) {
    test(`case 22: ${flow}: the ${who} is told to end under load`, async (t) => {
      await using target = await startTarget(echo);
      const pair = await startFaultPair(t, { flow, target: target.port, entrance: ['--wait', '1s'] });
      const process = pair[who];
      // Long visits, so that some are always in their middle.
      await using load = startVisitors({ port: pair.port, visitors: 6, pauseMs: 300, limitMs: 8000 });
      await load.answered(12);
      await until(() => load.on >= 3, 'visits are on');
      load.trouble = true;
      const endAt = performance.now();
      process.kill('SIGTERM');
      const code = await process.ended();
      const tookMs = Math.round(performance.now() - endAt);
      const tally = await load.stop();
      t.is(code, 0, process.output);
      t.notRegex(process.output, WARNINGS);
      t.regex(process.output, /"ended"/);
      const on = load.visits.filter(({ answeredAt, endedAt }) => answeredAt < endAt && endedAt > endAt);
      t.true(on.length >= 3, `${on.length} visits were on`);
      t.deepEqual(
        on.filter(({ outcome }) => outcome !== 'answered'),
        [],
      );
      t.deepEqual({ ...badOf(tally), short: tally.short }, { lost: 0, wrong: 0, hung: 0, short: 0 });
      t.true(tookMs < 10_000, `${tookMs} ms`);
      t.log(`${on.length} visits were on; ended after ${tookMs} ms; ${JSON.stringify(tally)}`);
    });
  }
}
