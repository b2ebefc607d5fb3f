import test from 'ava';
import { makeReport } from '../../../src/cli/admin/local-source.ts';
import { statusText } from '../../../src/cli/status/status-text.ts';
import { DatagramCounts } from '../../../src/shared/tunnel/datagram-stats.ts';
import { snapshotOf } from '../../helpers/snapshots.ts';

const at = '2026-11-21T12:00:10.000Z';
const startedAt = '2026-11-21T11:58:10.000Z';

test('a report is a table, and a second one has rates', (t) => {
  const processes = [{ name: 'main', memoryBytes: 80 * 1024 * 1024, busy: 0.1 }];
  const traffic = { visits: 7, bytesReceived: 2048, bytesSent: 0 };
  const peers = [
    { peer: '0123456789abcdef', remote: '192.0.2.1:5000', since: startedAt, idle: 3, inUse: 12, ...traffic },
    { peer: 'fedcba98', remote: '192.0.2.20:51000', since: at, idle: 30, inUse: 0, ...traffic },
  ];
  const target = { target: '10.0.0.5:80', up: false, inUse: 0, total: 9, failed: 3, warm: 0 };
  const now = { ...snapshotOf({ opened: 30, received: 3000, waits: [99, 1, 0] }), peers, targets: [target] };
  const handshakesFailed = { POOLD_ERR_REJECTED: 2 };
  const listener = { listen: '0.0.0.0:7000', arriving: 1, slowedAddresses: 0, handshakesFailed };
  const shared = { listen: '0.0.0.0:443', reading: 0, refused: { host: 3 } };
  const report = {
    ...makeReport('server', processes, { tunnels: [now], listeners: [listener], publics: [shared] }),
    poold: '1.2.3',
    at,
    startedAt,
  };
  const text = statusText(report, undefined);
  t.is(
    text,
    `poold server 1.2.3, up for 2 min, 80 MiB of memory
ready: tunnel web: listening, 2 clients
clients at 0.0.0.0:7000: 1 arriving; turned away: POOLD_ERR_REJECTED 2
visitors at 0.0.0.0:443: 0 being read; turned away: host 3

tunnel web (server's end, reverse)
  pool     3 idle, 1 in use, 0 connecting, at most 8; 0 waiting
  visits   1 on, 30 begun
  payload  2.9 KiB received; 0 B sent
  wait     p50 0.51 ms, p99 1.0 ms
  trouble  none

  client    from              idle  in use  since  visits  received  sent
  01234567  192.0.2.1:5000       3      12  2 min       7   2.0 KiB   0 B
  fedcba98  192.0.2.20:51000    30       0    0 s       7   2.0 KiB   0 B

  target       health  visits  so far  failed  warm
  10.0.0.5:80  DOWN         0       9       3     0
`,
  );
  const datagrams = { ...new DatagramCounts().snapshot({ flows: 3, carriers: 1 }), flowsTotal: 12, datagramsIn: 1000 };
  const udp = { ...now, datagrams: { ...datagrams, dropped: { ...datagrams.dropped, limited: 7 } } };
  const bandwidth = { upload: { bytesPerSecond: 2048, throttledMs: 12_000 } };
  const limited = statusText({ ...report, tunnels: [{ ...udp, bandwidth }] }, undefined);
  t.true(limited.includes('\n  flows    3 on, 12 begun; 1,000 datagrams received, 0 sent\n'), limited);
  t.true(limited.includes('\n  limits   upload 2.0 KiB/s, held back for 12 s\n'), limited);
  t.true(limited.includes('\n  trouble  dropped limited 7\n'), limited);
  const before = { ...report, at: '2026-11-21T12:00:00.000Z', tunnels: [snapshotOf({ opened: 10, received: 1000 })] };
  const watched = statusText(report, before);
  t.true(watched.includes('1 on, 30 begun, 2/s\n'), watched);
  t.true(watched.includes('2.9 KiB received, 200 B/s; 0 B sent, 0 B/s\n'), watched);
});
