import test from 'ava';
import { Demand } from '../../src/server/demand.ts';
import type { Session } from '../../src/shared/session/session.ts';
import { manualClock } from '../helpers/clock.ts';

/** A session as Demand sees it, and what it was asked for. */
function sessionOf(client: string, state: { visit?: object; unsent?: number } = {}) {
  const asked: number[] = [];
  const session = {
    greeted: { client },
    visit: state.visit,
    unsent: state.unsent ?? 0,
    demand: (count: number) => void asked.push(count),
  };
  return { asked, session: session as unknown as Session };
}

/** How long the handshakes of these sessions took, ms. */
const HANDSHAKE_MS = 100;

function demandOf(...sessions: ReturnType<typeof sessionOf>[]) {
  const time = manualClock();
  const level = { waiting: 0, acquired: 0, busy: 0 };
  const demand = new Demand(time.clock, () => level, level);
  for (const { session } of sessions) demand.add(session, HANDSHAKE_MS);
  return { demand, level, time };
}

test('the number of those who wait is shared among the clients, on one session each', (t) => {
  const [one, same, other] = [sessionOf('one'), sessionOf('one'), sessionOf('other')];
  const { demand, level } = demandOf(one, same, other);
  level.waiting = 5;
  demand.raise();
  t.deepEqual([...one.asked, ...same.asked], [3]);
  t.deepEqual(other.asked, [3]);
  demand.stop();
});

test('an idle session is asked before a busy one, and of the busy ones the one with the least unsent', (t) => {
  const busy = sessionOf('one', { visit: {}, unsent: 10 });
  const less = sessionOf('one', { visit: {}, unsent: 5 });
  const first = demandOf(busy, less);
  first.level.waiting = 1;
  first.demand.raise();
  t.deepEqual([busy.asked, less.asked], [[], [1]]);
  first.demand.stop();
  const idle = sessionOf('one');
  const second = demandOf(busy, less, idle);
  second.level.waiting = 1;
  second.demand.raise();
  t.deepEqual([busy.asked, less.asked, idle.asked], [[], [1], [1]]);
  second.demand.stop();
});

test('it is said at most every 50 ms, again as long as somebody waits, and not once nobody does', async (t) => {
  const only = sessionOf('one');
  const { demand, level, time } = demandOf(only);
  t.is(time.timers, 0);
  level.waiting = 1;
  demand.raise();
  level.waiting = 3;
  demand.raise();
  t.deepEqual(only.asked, [1]);
  await time.advance(49);
  t.deepEqual(only.asked, [1]);
  await time.advance(1);
  t.deepEqual(only.asked, [1, 3]);
  level.waiting = 0;
  await time.advance(500);
  t.deepEqual(only.asked, [1, 3]);
});

test('a busy server asks for less, for more connections would not help it, and never for nothing', async (t) => {
  const only = sessionOf('one');
  const { demand, level, time } = demandOf(only);
  Object.assign(level, { waiting: 100, busy: 0.9 });
  demand.raise();
  level.busy = 1;
  await time.advance(50);
  t.deepEqual(only.asked, [10, 1]);
  demand.stop();
});

test('those who are served before a new connection could be there are not asked for', async (t) => {
  const only = sessionOf('one');
  const { demand, level, time } = demandOf(only);
  level.waiting = 10;
  demand.raise();
  level.acquired = 3;
  await time.advance(50);
  t.deepEqual(only.asked, [10, 4], '3 in 50 ms: 6 while a handshake takes its time');
  level.acquired += 100;
  await time.advance(50);
  t.deepEqual(only.asked, [10, 4]);
  await time.advance(50);
  t.deepEqual(only.asked, [10, 4, 10], 'and nobody is served any more');
  demand.stop();
});

test('a client without sessions is forgotten', (t) => {
  const [gone, here] = [sessionOf('gone'), sessionOf('here')];
  const { demand, level } = demandOf(gone, here);
  demand.delete(gone.session);
  level.waiting = 4;
  demand.raise();
  t.deepEqual(here.asked, [4]);
  demand.stop();
});
