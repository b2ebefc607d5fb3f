import type { TunnelSnapshot } from '../../../src/shared/telemetry/snapshot.ts';
import test from 'ava';
import { readinessOf } from '../../../src/cli/admin/report.ts';
import type { PeerSnapshot } from '../../../src/shared/telemetry/snapshot.ts';
import { snapshotOf } from '../../helpers/snapshots.ts';

const peer = (name: string, idle: number, lastError?: string): PeerSnapshot => {
  const traffic = { visits: 0, bytesReceived: 0, bytesSent: 0 };
  return { peer: name, idle, inUse: 0, ...traffic, lastError };
};

const ready = (tunnels: readonly TunnelSnapshot[]) => readinessOf({ tunnels, listeners: [] });

test('a process without tunnels is starting', (t) => {
  t.deepEqual(ready([]), { ready: false, reason: 'starting' });
});

test('a server is ready when it listens, and says whether a client is there', (t) => {
  const server = snapshotOf({});
  t.deepEqual(ready([server]), { ready: true, reason: 'tunnel web: listening, no client yet' });
  const served = { ...server, peers: [peer('a', 3), peer('b', 1), peer('c', 0)] };
  t.is(ready([served]).reason, 'tunnel web: listening, 2 clients');
  t.false(ready([{ ...server, ready: false }]).ready);
});

test('a client is ready when one of its servers is connected', (t) => {
  const client = { ...snapshotOf({ side: 'client' }), peers: [peer('a:1', 0, 'connect ECONNREFUSED'), peer('b:1', 0)] };
  t.deepEqual(ready([client]), {
    ready: false,
    reason: 'tunnel web: no server is connected: a:1 (connect ECONNREFUSED), b:1',
  });
  const warm = { ...client, peers: [peer('a:1', 0), peer('b:1', 1)] };
  t.deepEqual(ready([warm]), { ready: true, reason: 'tunnel web: connected to 1 of 2 servers' });
  t.regex(ready([{ ...client, peers: [] }]).reason, /none is known/);
});

test('of several tunnels the one that is not ready is named', (t) => {
  const readiness = ready([snapshotOf({}), { ...snapshotOf({}), tunnel: 'db', ready: false }]);
  t.deepEqual(readiness, { ready: false, reason: 'tunnel db: not listening yet, or ending' });
});
