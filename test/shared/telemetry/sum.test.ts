import test from 'ava';
import { DatagramCounts } from '../../../src/shared/tunnel/datagram-stats.ts';
import type { TunnelSnapshot } from '../../../src/shared/telemetry/snapshot.ts';
import { sumSnapshots, totalsOf } from '../../../src/shared/telemetry/sum.ts';

const NO_DROPS = new DatagramCounts().dropped;

/** A process's end of a tunnel, all of whose numbers are multiples of one. */
function snapshotOf(times: number, peer: string, side: 'server' | 'client' = 'server'): TunnelSnapshot {
  const levels = { idle: 3 * times, inUse: times, connecting: 0, capacity: 8, max: 8, intervalMs: 0, waiting: times };
  const counts = { boundsMs: [1], counts: [times, 0], sumMs: times };
  const since = `2026-11-0${times}T00:00:00.000Z`;
  return {
    tunnel: 'web',
    side,
    flow: 'reverse',
    ready: true,
    entrance: '127.0.0.1:8080',
    listen: '127.0.0.1:7000',
    connections: { ...levels, opened: 4 * times, closed: { error: times } },
    visits: { on: times, opened: 10 * times, closed: { done: times }, refused: times > 1 ? { timeout: times } : {} },
    bytes: { received: times, sent: 2 * times },
    dials: { made: 0, failed: {} },
    errors: times,
    times: { wait: counts, dial: counts, visit: counts },
    peers: [{ peer, since, idle: 3 * times, inUse: times, visits: 1, bytesReceived: 1, bytesSent: 1 }],
    targets: [],
    datagrams: {
      flows: times,
      carriers: times,
      flowsTotal: 2 * times,
      flowsDisplaced: 0,
      datagramsIn: times,
      datagramsOut: 3 * times,
      bytesIn: times,
      bytesOut: times,
      dropped: { ...NO_DROPS, limited: times },
    },
    bandwidth: { upload: { bytesPerSecond: 1000, throttledMs: times } },
  };
}

test('what several processes know of a tunnel is added up, peer by peer', (t) => {
  const [sum, ...more] = sumSnapshots([snapshotOf(1, 'a'), snapshotOf(2, 'a'), snapshotOf(3, 'b')]);
  t.is(more.length, 0);
  t.like(sum, {
    connections: { idle: 18, inUse: 6, max: 24, waiting: 6, opened: 24, closed: { error: 6 } },
    visits: { on: 6, opened: 60, closed: { done: 6 }, refused: { timeout: 5 } },
    bytes: { received: 6, sent: 12 },
    datagrams: { flows: 6, flowsTotal: 12, datagramsOut: 18, dropped: { ...NO_DROPS, limited: 6 } },
    bandwidth: { upload: { bytesPerSecond: 3000, throttledMs: 6 } },
    errors: 6,
    times: { wait: { boundsMs: [1], counts: [6, 0], sumMs: 6 } },
    peers: [
      { peer: 'a', since: '2026-11-01T00:00:00.000Z', idle: 9, inUse: 3, visits: 2 },
      { peer: 'b', idle: 9 },
    ],
  });
});

test('the two ends of a tunnel stay apart', (t) => {
  t.is(sumSnapshots([snapshotOf(1, 'a'), snapshotOf(1, 'a', 'client')]).length, 2);
});

test('of a process that has ended the totals stay, and nothing that was there', (t) => {
  const [sum] = sumSnapshots([totalsOf(snapshotOf(2, 'gone')), snapshotOf(1, 'a')]);
  t.like(sum, { connections: { idle: 3, inUse: 1, max: 8, opened: 12 }, visits: { on: 1, opened: 30 } });
  t.like(sum, { datagrams: { flows: 1, carriers: 1, flowsTotal: 6, dropped: { ...NO_DROPS, limited: 3 } } });
  t.deepEqual(sum?.bandwidth, { upload: { bytesPerSecond: 1000, throttledMs: 3 } });
  t.deepEqual(
    sum?.peers.map(({ peer }) => peer),
    ['a'],
  );
});
