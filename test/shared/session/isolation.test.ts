/** Two visits back to back on one session: the first is broken off at every point of its course, and the second is its own. */
import test from 'ava';
import type { Visit } from '../../../src/shared/session/visit.ts';
import { ResetCode } from '../../../src/shared/wire/frame.ts';
import { until } from '../../helpers/events.ts';
import { INFO } from '../../helpers/session-bench.ts';
import { sessionPair } from '../../helpers/session-pair.ts';
import { VisitLog } from '../../helpers/visit-log.ts';

const FIRST = { here: Buffer.alloc(100_000, 'A'), there: Buffer.alloc(100_000, 'a') };
const SECOND = { here: Buffer.alloc(3000, 'B'), there: Buffer.alloc(3000, 'b') };

/** What the first visit does in turn, at the opener's end and at the other. */
const COURSES: Readonly<Record<string, readonly ((here: Visit, there: Visit) => void)[]>> = {
  'question and answer': [
    (here) => void here.write(FIRST.here.subarray(0, 10)),
    (_, there) => there.accept(),
    (here) => here.end(),
    (_, there) => void there.write(FIRST.there.subarray(0, 10)),
    (_, there) => there.end(),
  ],
  'much both ways': [
    (_, there) => there.accept(),
    (here) => void here.write(FIRST.here),
    (_, there) => void there.write(FIRST.there),
    (_, there) => there.end(),
    (here) => here.end(),
  ],
  'nobody reads': [
    (_, there) => there.accept(),
    (here, there) => {
      here.pause();
      there.pause();
    },
    (here) => void here.write(FIRST.here),
    (_, there) => void there.write(FIRST.there),
    (here, there) => {
      here.end();
      there.end();
    },
  ],
};

const RESETS: Readonly<Record<string, (here: Visit, there: Visit) => void>> = {
  'the opener resets': (here) => here.reset(ResetCode.visitorLeft),
  'the other resets': (_, there) => there.reset(ResetCode.targetReset),
  'both reset': (here, there) => {
    here.reset(ResetCode.visitorLeft);
    there.reset(ResetCode.targetReset);
  },
};

for (const slice of [Infinity, 7, 1000]) {
  test(`a visit broken off at any point leaves nothing to the next (pieces of ${slice})`, async (t) => {
    let runs = 0;
    for (const [course, steps] of Object.entries(COURSES)) {
      for (let length = 0; length <= steps.length; length += 1) {
        for (const [name, reset] of Object.entries(RESETS)) {
          // Each step has arrived before the next, or none has.
          for (const inTurn of [true, false]) {
            const title = `${course}, ${length} steps, ${name}, ${inTurn ? 'one after the other' : 'at once'}`;
            const theirs: { visit: Visit; log: VisitLog }[] = [];
            const faults: string[] = [];
            const onFault = (error: Error): void => void faults.push(error.message);
            const { server, client } = await sessionPair({
              slice,
              server: { onFault },
              client: { onFault, onVisit: (visit) => void theirs.push({ visit, log: new VisitLog(visit) }) },
            });
            const first = server.open(INFO);
            const next: { visit: Visit; log: VisitLog }[] = [];
            // The second is opened in the very moment in which the first is over.
            first.onDone = () => {
              const visit = server.open(INFO);
              next.push({ visit, log: new VisitLog(visit) });
              visit.write(SECOND.here);
              visit.end();
            };
            const firstLog = new VisitLog(first);
            await until(() => theirs.length === 1, `${title}: it has arrived`);
            const there = theirs[0]?.visit as Visit;
            for (const step of steps.slice(0, length)) {
              step(first, there);
              if (inTurn) for (let turn = 0; turn < 4; turn += 1) await new Promise((done) => setImmediate(done));
            }
            reset(first, there);
            // Who did not read would not hear of it.
            first.resume();
            there.resume();
            await until(() => theirs[1]?.log.heard.includes('end') === true, `${title}: the second is heard`);
            theirs[1]?.visit.accept();
            theirs[1]?.visit.write(SECOND.there);
            theirs[1]?.visit.end();
            await until(() => next[0]?.log.heard.includes('end') === true, `${title}: the second is answered`);
            t.deepEqual(theirs[1]?.log.heard, [`data ${String(SECOND.here)}`, 'end'], title);
            t.deepEqual(next[0]?.log.heard, ['opened', `data ${String(SECOND.there)}`, 'end'], title);
            t.regex(firstLog.heard.join(), /^(opened)?,?(data a+)?,?(end)?,?(reset \d+)?$/, title);
            t.regex(theirs[0]?.log.heard.join() ?? '', /^(data A+)?,?(end)?,?(reset \d+)?$/, title);
            t.deepEqual(faults, [], title);
            t.deepEqual([server.closed, client.closed], [false, false], title);
            runs += 1;
          }
        }
      }
    }
    t.log(`${runs} first visits, and none cost its connection`);
  });
}
