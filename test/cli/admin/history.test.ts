import test from 'ava';
import { History, KEPT_MS } from '../../../src/cli/admin/dashboard/page/history.ts';
import { snapshotOf } from '../../helpers/snapshots.ts';

test('rates are from one report to the next, by the time of whoever made them', (t) => {
  const history = new History();
  history.add(1000, snapshotOf({ opened: 10, received: 1000, sent: 0 }));
  t.is(history.now?.visits, null);
  t.is(history.now?.idle, 3);
  history.add(3000, snapshotOf({ opened: 30, received: 5000, sent: 100 }));
  t.like(history.now, { visits: 10, toVisitors: 2000, fromVisitors: 50, errors: 0 });
});

test('at the exit what comes from the other end comes from the visitors', (t) => {
  const history = new History();
  history.add(1000, snapshotOf({ side: 'client', received: 0, sent: 0 }));
  history.add(2000, snapshotOf({ side: 'client', received: 10, sent: 20 }));
  t.like(history.now, { fromVisitors: 10, toVisitors: 20 });
});

test('quantiles are of the last interval alone', (t) => {
  const history = new History();
  history.add(1000, snapshotOf({ waits: [100, 0, 0] }));
  history.add(2000, snapshotOf({ waits: [100, 4, 0] }));
  t.like(history.now, { p50: 5.5, p99: 9.91 });
  history.add(3000, snapshotOf({ waits: [100, 4, 0] }));
  t.like(history.now, { p50: null, p99: null });
});

test('a silence is a gap, and no rate is made across it', (t) => {
  const history = new History();
  history.add(1000, snapshotOf({ opened: 0 }));
  history.add(60_000, snapshotOf({ opened: 1000 }));
  t.deepEqual(history.values('idle'), [3, null, 3]);
  t.is(history.now?.visits, null);
});

test('a restart of the process shows no rates below zero', (t) => {
  const history = new History();
  history.add(1000, snapshotOf({ opened: 500, received: 500 }));
  history.add(2000, snapshotOf({ opened: 3, received: 0 }));
  t.like(history.now, { visits: 0, toVisitors: 0 });
});

test('ten minutes are kept', (t) => {
  const history = new History();
  for (let at = 0; at <= 2 * KEPT_MS; at += 1000) history.add(at, snapshotOf({ opened: at }));
  t.is(history.points.length, KEPT_MS / 1000 + 1);
  t.is(history.points[0]?.at, KEPT_MS);
});

test('a clock that is set back begins anew', (t) => {
  const history = new History();
  history.add(5000, snapshotOf({}));
  history.add(4000, snapshotOf({}));
  t.is(history.points.length, 1);
});
