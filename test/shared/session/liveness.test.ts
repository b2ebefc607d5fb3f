import test from 'ava';
import { Liveness, type LivenessOptions } from '../../../src/shared/session/liveness.ts';
import type { Session } from '../../../src/shared/session/session.ts';
import { manualClock } from '../../helpers/clock.ts';

/** A session as liveness sees it; it answers PINGs at once unless it is deaf. */
function fakeSession(now: () => number, client = 'one') {
  const session = {
    greeted: { client },
    lastHeardAt: now(),
    paused: false,
    visit: undefined as object | undefined,
    unsent: 0,
    deaf: false,
    asked: [] as number[],
    closedFor: undefined as string | undefined,
    ping() {
      session.asked.push(now());
      if (!session.deaf) session.lastHeardAt = now();
    },
    close(reason: string) {
      session.closedFor = reason;
    },
  };
  return session;
}

function livenessOf(options: Partial<LivenessOptions> = {}) {
  const time = manualClock();
  const liveness = new Liveness({
    clock: time.clock,
    keepAliveMs: 30_000,
    keepAliveTimeoutMs: 5000,
    stallTimeoutMs: 600_000,
    mode: 'ping',
    random: () => 0,
    ...options,
  });
  const add = (client?: string) => {
    const session = fakeSession(() => time.clock.now(), client);
    liveness.add(session as unknown as Session);
    return session;
  };
  return { time, liveness, add };
}

test('an idle session is asked once an interval, and one that answers stays', async (t) => {
  const { time, liveness, add } = livenessOf();
  const session = add();
  await time.advance(95_000);
  t.deepEqual(session.asked, [30_000, 60_000, 90_000]);
  t.is(session.closedFor, undefined);
  liveness.stop();
});

test('case 15: one that does not answer is closed within 1.1 × the interval and the timeout', async (t) => {
  const { time, add } = livenessOf();
  const session = add();
  session.deaf = true;
  await time.advance(1.1 * 30_000 + 5000);
  t.is(session.closedFor, 'keep-alive-timeout');
});

test('one that was just heard is not asked', async (t) => {
  const { time, liveness, add } = livenessOf();
  const session = add();
  for (let heard = 0; heard < 10; heard += 1) {
    await time.advance(20_000);
    session.lastHeardAt = time.clock.now();
  }
  t.deepEqual(session.asked, []);
  liveness.stop();
});

test('sessions made together are asked at different times', async (t) => {
  let draw = 0;
  const { time, liveness, add } = livenessOf({ random: () => (draw++ % 10) / 10 });
  const sessions = Array.from({ length: 10 }, () => add());
  await time.advance(31_000);
  const times = new Set(sessions.flatMap(({ asked }) => asked));
  t.true(times.size >= 5, [...times].join());
  t.true(Math.min(...times) >= 21_000);
  liveness.stop();
});

test('a visit of datagrams is asked whatever is unsent, and closed after four times the patience', async (t) => {
  const { time, add } = livenessOf();
  const [deaf, well] = [add(), add()];
  for (const session of [deaf, well]) Object.assign(session, { visit: { flowing: true }, unsent: 10 });
  deaf.deaf = true;
  await time.advance(30_000 + 19_000);
  t.deepEqual([deaf.asked, deaf.closedFor], [[30_000], undefined]);
  await time.advance(2000);
  t.deepEqual([deaf.closedFor, well.closedFor], ['keep-alive-timeout', undefined]);
});

test('a session that is not read, or has unsent bytes in a visit, is left alone', async (t) => {
  const { time, liveness, add } = livenessOf();
  const [paused, sending] = [add(), add()];
  paused.paused = true;
  sending.visit = {};
  sending.unsent = 10;
  await time.advance(1_000_000);
  t.deepEqual([paused.asked, sending.asked], [[], []]);
  liveness.stop();
});

test('in a visit the answer may take as long as a stall', async (t) => {
  const { time, add } = livenessOf();
  const session = add();
  session.visit = {};
  session.deaf = true;
  await time.advance(600_000);
  t.is(session.asked.length, 1);
  t.is(session.closedFor, undefined);
  await time.advance(35_000);
  t.is(session.closedFor, 'keep-alive-timeout');
});

test('the side that is dialled asks nothing, and gives up after twice the interval', async (t) => {
  const { time, add } = livenessOf({ mode: 'reap' });
  const session = add();
  await time.advance(59_000);
  t.is(session.closedFor, undefined);
  await time.advance(1000);
  t.is(session.closedFor, 'keep-alive-timeout');
  t.deepEqual(session.asked, []);
});

test('the side that is dialled asks in a visit, where the answer may take as long as a stall', async (t) => {
  const { time, add } = livenessOf({ mode: 'reap' });
  const session = add();
  session.visit = {};
  session.deaf = true;
  await time.advance(60_000);
  t.is(session.asked.length, 1);
  await time.advance(599_000);
  t.is(session.closedFor, undefined);
  await time.advance(1000);
  t.is(session.closedFor, 'keep-alive-timeout');
  t.is(session.asked.length, 1);
});

test('the idle sessions of a suspected client are asked at once, those of others not', async (t) => {
  const { time, liveness, add } = livenessOf({ mode: 'reap' });
  const [suspect, deaf, other] = [add('one'), add('one'), add('two')];
  deaf.deaf = true;
  await time.advance(500);
  liveness.suspect('one');
  t.deepEqual([suspect.asked.length, deaf.asked.length, other.asked.length], [1, 1, 0]);
  await time.advance(6000);
  t.deepEqual([suspect.closedFor, deaf.closedFor, other.closedFor], [undefined, 'keep-alive-timeout', undefined]);
  liveness.stop();
});

test('one that is suspected again and again still has to answer in time', async (t) => {
  const { time, liveness, add } = livenessOf({ mode: 'reap' });
  const [suspect, deaf] = [add(), add()];
  deaf.deaf = true;
  for (let times = 1; times <= 6; times += 1) {
    await time.advance(1000);
    liveness.suspect('one');
  }
  t.is(suspect.asked.length, 6);
  t.is(deaf.asked.length, 1);
  await time.advance(1000);
  t.deepEqual([suspect.closedFor, deaf.closedFor], [undefined, 'keep-alive-timeout']);
  liveness.stop();
});

test('the server may want to hear more often, never less; zero switches it off if the server agrees', async (t) => {
  const { time, liveness, add } = livenessOf();
  liveness.limit(60_000);
  liveness.limit(0);
  liveness.limit(10_000);
  const session = add();
  await time.advance(11_000);
  t.is(session.asked.length, 1);
  liveness.stop();
  const off = livenessOf({ keepAliveMs: 0 });
  const silent = off.add();
  off.liveness.limit(0);
  await off.time.advance(1_000_000);
  t.deepEqual(silent.asked, []);
  t.is(off.time.timers, 0);
  off.liveness.limit(10_000);
  const wanted = off.add();
  await off.time.advance(11_000);
  t.is(wanted.asked.length, 1);
  off.liveness.stop();
});

test('without sessions there is no timer', (t) => {
  const { time, liveness, add } = livenessOf();
  const session = add();
  t.is(time.timers, 1);
  liveness.delete(session as unknown as Session);
  t.is(time.timers, 0);
});

test('a server that was stopped blames nobody for its own silence, and gives up who does not answer now', async (t) => {
  const { time, liveness, add } = livenessOf({ mode: 'reap' });
  const [session, deaf] = [add(), add()];
  deaf.deaf = true;
  await time.advance(20_000);
  time.stop(2 * 30_000);
  t.deepEqual([session.closedFor, deaf.closedFor], [undefined, undefined]);
  t.deepEqual([session.asked, deaf.asked], [[80_000], [80_000]]);
  await time.advance(5000);
  t.deepEqual([session.closedFor, deaf.closedFor], [undefined, 'keep-alive-timeout']);
  await time.advance(50_000);
  t.is(session.closedFor, undefined);
  liveness.stop();
});

for (const mode of ['ping', 'reap'] as const) {
  test(`${mode}: after a sleep of the machine all idle sessions are asked at once, and the dead ones go in time`, async (t) => {
    const { time, liveness, add } = livenessOf({ mode });
    const [session, deaf] = [add(), add()];
    deaf.deaf = true;
    await time.advance(500);
    time.shiftWall(3_600_000);
    await time.advance(500);
    t.deepEqual([session.asked, deaf.asked], [[1000], [1000]]);
    await time.advance(4999);
    t.is(deaf.closedFor, undefined);
    await time.advance(1);
    t.deepEqual([session.closedFor, deaf.closedFor], [undefined, 'keep-alive-timeout']);
    liveness.stop();
  });

  test(`${mode}: an answer that was due while the process was stopped may come when it runs again`, async (t) => {
    const { time, liveness, add } = livenessOf({ mode });
    const session = add();
    session.deaf = true;
    liveness.suspect('one');
    time.stop(60_000);
    t.deepEqual([session.asked.length, session.closedFor], [2, undefined]);
    await time.advance(4000);
    session.lastHeardAt = time.clock.now();
    await time.advance(10_000);
    t.is(session.closedFor, undefined);
    liveness.stop();
  });

  test(`${mode}: a time of day that is set back asks nobody and closes nobody`, async (t) => {
    const { time, liveness, add } = livenessOf({ mode });
    const session = add();
    session.deaf = true;
    await time.advance(500);
    time.shiftWall(-3_600_000);
    await time.advance(20_000);
    t.deepEqual([session.asked, session.closedFor], [[], undefined]);
    liveness.stop();
  });

  test(`${mode}: a visit is not asked for a jump’s sake, and what it owes begins anew`, async (t) => {
    const { time, liveness, add } = livenessOf({ mode });
    const [talking, silent] = [add(), add()];
    talking.visit = {};
    silent.visit = {};
    silent.deaf = true;
    await time.advance(59_000);
    talking.lastHeardAt = time.clock.now();
    await time.advance(1000);
    t.deepEqual([talking.asked.length, silent.asked.length], [mode === 'ping' ? 1 : 0, 1]);
    talking.asked = [];
    talking.lastHeardAt = time.clock.now();
    time.shiftWall(3_600_000);
    await time.advance(1000);
    t.deepEqual(talking.asked, []);
    time.stop(600_000);
    t.is(silent.closedFor, undefined);
    await time.advance(599_000);
    t.is(silent.closedFor, undefined);
    await time.advance(1000);
    t.is(silent.closedFor, 'keep-alive-timeout');
    liveness.stop();
  });
}

test('a loop that is busy for a moment asks nobody', async (t) => {
  const { time, liveness, add } = livenessOf();
  const session = add();
  time.stop(1000 + 499);
  await time.advance(10_000);
  t.deepEqual(session.asked, []);
  liveness.stop();
});

test('all who can answer are asked at once, and one that does shows that the other end is there', async (t) => {
  const { time, liveness, add } = livenessOf({ mode: 'reap' });
  const [idle, visited, sending, paused] = [add(), add(), add('two'), add('two')];
  visited.visit = {};
  Object.assign(sending, { visit: {}, unsent: 10 });
  paused.paused = true;
  await time.advance(100);
  const asked = time.clock.now();
  t.true([idle, visited].every((session) => (session.deaf = true)));
  liveness.askAll();
  liveness.askAll();
  t.deepEqual(
    [idle, visited, sending, paused].map((session) => session.asked.length),
    [1, 2, 0, 0],
  );
  t.false(liveness.silentSince(asked), 'nobody knows about those that could not answer');
  liveness.delete(sending as unknown as Session);
  liveness.delete(paused as unknown as Session);
  t.true(liveness.silentSince(asked));
  visited.lastHeardAt = asked;
  t.false(liveness.silentSince(asked));
  await time.advance(6000);
  t.is(idle.closedFor, 'keep-alive-timeout');
  t.is(visited.closedFor, undefined, 'in a visit nobody is closed for it');
  liveness.stop();
});

test('without anybody, or with keep-alive off, nobody is called silent', (t) => {
  t.false(livenessOf().liveness.silentSince(1000));
  const { liveness, add } = livenessOf({ keepAliveMs: 0 });
  add();
  t.false(liveness.silentSince(1000));
});
