/** Every metric of poold: its name, what it means, and where its values are in a snapshot. docs/operations.md has them all. */
import type { BreakerState } from '../resilience/breaker.ts';
import type { LimitStats } from '../tunnel/bandwidth.ts';
import type { DatagramStats } from '../tunnel/datagram-stats.ts';
import type { HistogramCounts } from './histogram.ts';
import type { Counts, ListenerSnapshot, PeerSnapshot, PublicSnapshot, TunnelSnapshot } from './snapshot.ts';

export type Labels = Readonly<Record<string, string>>;

/** A value, with the labels that it has besides those of all. */
type Sample = readonly [value: number, labels?: Labels];

interface Described {
  readonly name: string;
  readonly help: string;
  /** The labels besides `tunnel` and `side`, or `listen`. */
  readonly labels?: readonly string[];
}

export interface NumberFamily<S = TunnelSnapshot> extends Described {
  readonly type: 'gauge' | 'counter';
  readonly read: (snapshot: S) => readonly Sample[];
}

export interface HistogramFamily<S = TunnelSnapshot> extends Described {
  readonly type: 'histogram';
  readonly read: (snapshot: S) => HistogramCounts;
}

/** The numbers of {@link BreakerState}. */
const BREAKER: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 };

function gauge(name: string, help: string, read: (snapshot: TunnelSnapshot) => number): NumberFamily {
  return { type: 'gauge', name, help, read: (snapshot) => [[read(snapshot)]] };
}

function counter(name: string, help: string, read: (snapshot: TunnelSnapshot) => number): NumberFamily {
  return { type: 'counter', name, help, read: (snapshot) => [[read(snapshot)]] };
}

/** A counter for each of a closed set of words. */
function byReason(name: string, help: string, read: (snapshot: TunnelSnapshot) => Counts<string>): NumberFamily {
  const samples = (counts: Counts<string>): Sample[] =>
    Object.entries(counts).map(([reason, count]) => [count ?? 0, { reason }]);
  return { type: 'counter', name, help, labels: ['reason'], read: (snapshot) => samples(read(snapshot)) };
}

function ofPeers(
  type: NumberFamily['type'],
  name: string,
  help: string,
  read: (peer: PeerSnapshot) => number | undefined,
): NumberFamily {
  const sample = (peer: PeerSnapshot): Sample[] => {
    const value = read(peer);
    return value === undefined ? [] : [[value, { peer: peer.peer }]];
  };
  return { type, name, help, labels: ['peer'], read: ({ peers }) => peers.flatMap(sample) };
}

function ofTargets(
  type: NumberFamily['type'],
  name: string,
  help: string,
  read: (target: TunnelSnapshot['targets'][number]) => number,
): NumberFamily {
  const sample = (target: TunnelSnapshot['targets'][number]): Sample => [read(target), { target: target.target }];
  return { type, name, help, labels: ['target'], read: ({ targets }) => targets.map(sample) };
}

function ofDatagrams(
  type: NumberFamily['type'],
  name: string,
  help: string,
  read: (datagrams: DatagramStats) => number,
): NumberFamily {
  return { type, name, help, read: ({ datagrams }) => (datagrams === undefined ? [] : [[read(datagrams)]]) };
}

function ofLimits(
  type: NumberFamily['type'],
  name: string,
  help: string,
  read: (limit: LimitStats) => number,
): NumberFamily {
  const samples = (limits: Readonly<Record<string, LimitStats>>): Sample[] =>
    Object.entries(limits).map(([direction, limit]) => [read(limit), { direction }]);
  return { type, name, help, labels: ['direction'], read: ({ bandwidth }) => samples({ ...bandwidth }) };
}

export const NUMBER_FAMILIES: readonly NumberFamily[] = [
  gauge('poold_ready', 'Whether visits are taken: 1 from the start to the close.', ({ ready }) => Number(ready)),
  gauge('poold_connections_idle', 'Pooled connections that wait for use.', ({ connections }) => connections.idle),
  gauge('poold_connections_in_use', 'Pooled connections that are handed out.', ({ connections }) => connections.inUse),
  gauge(
    'poold_connections_connecting',
    'Connections that are being dialled or greeted.',
    ({ connections }) => connections.connecting,
  ),
  gauge(
    'poold_connections_capacity',
    'Idle connections that are wanted now; at a server its maximum.',
    ({ connections }) => connections.capacity,
  ),
  gauge('poold_connections_max', 'The most connections there may be.', ({ connections }) => connections.max),
  gauge(
    'poold_dial_interval_seconds',
    'Pause between two rounds of dialling; 0 at a server.',
    ({ connections }) => connections.intervalMs / 1000,
  ),
  gauge('poold_acquires_waiting', 'Visitors that wait for a connection.', ({ connections }) => connections.waiting),
  counter(
    'poold_connections_opened_total',
    'Connections that joined the pool.',
    ({ connections }) => connections.opened,
  ),
  byReason(
    'poold_connections_closed_total',
    'Connections that left the pool.',
    ({ connections }) => connections.closed,
  ),
  counter('poold_dials_total', 'Dials that made a connection.', ({ dials }) => dials.made),
  byReason('poold_dial_failures_total', 'Dials that failed, by the stage they reached.', ({ dials }) => dials.failed),
  counter('poold_errors_total', 'Errors that the pool has counted.', ({ errors }) => errors),
  gauge('poold_visits', 'Visits that are on.', ({ visits }) => visits.on),
  counter('poold_visits_opened_total', 'Visits that began.', ({ visits }) => visits.opened),
  byReason('poold_visits_closed_total', 'Visits that are over.', ({ visits }) => visits.closed),
  byReason('poold_visits_refused_total', 'Visitors that were turned away.', ({ visits }) => visits.refused),
  counter(
    'poold_received_bytes_total',
    'Payload bytes from the other end of the tunnel, those of visits that are on among them.',
    ({ bytes }) => bytes.received,
  ),
  counter(
    'poold_sent_bytes_total',
    'Payload bytes to the other end of the tunnel, those of visits that are on among them.',
    ({ bytes }) => bytes.sent,
  ),
  gauge('poold_peers', 'Clients that have connections, or servers that are dialled.', ({ peers }) => peers.length),
  ofPeers('gauge', 'poold_peer_connections_idle', 'Idle connections of a peer.', ({ idle }) => idle),
  ofPeers('gauge', 'poold_peer_connections_in_use', 'Connections of a peer that are handed out.', ({ inUse }) => inUse),
  ofPeers(
    'gauge',
    'poold_peer_connections_connecting',
    'Connections to a server that are being dialled.',
    ({ connecting }) => connecting,
  ),
  ofPeers(
    'gauge',
    'poold_peer_connections_capacity',
    'Idle connections to a server that are wanted now.',
    ({ capacity }) => capacity,
  ),
  ofPeers('gauge', 'poold_peer_connections_max', 'The most connections to a server.', ({ max }) => max),
  ofPeers(
    'gauge',
    'poold_peer_dial_interval_seconds',
    'Pause between two rounds of dialling a server.',
    ({ intervalMs }) => intervalMs && intervalMs / 1000,
  ),
  ofPeers('gauge', 'poold_peer_acquires_waiting', 'Acquires that wait at a server.', ({ waiting }) => waiting),
  ofPeers('counter', 'poold_peer_visits_total', 'Visits over a peer since it came.', ({ visits }) => visits),
  ofPeers(
    'counter',
    'poold_peer_received_bytes_total',
    'Payload bytes from a peer since it came.',
    ({ bytesReceived }) => bytesReceived,
  ),
  ofPeers(
    'counter',
    'poold_peer_sent_bytes_total',
    'Payload bytes to a peer since it came.',
    ({ bytesSent }) => bytesSent,
  ),
  ofPeers('gauge', 'poold_peer_healthy', 'Whether a server is connected.', ({ healthy }) =>
    healthy === undefined ? undefined : Number(healthy),
  ),
  ofPeers(
    'gauge',
    'poold_peer_breaker_state',
    'The circuit breaker of a server: 0 closed, 1 half-open, 2 open.',
    ({ breaker }) => breaker && BREAKER[breaker],
  ),
  ofDatagrams('gauge', 'poold_flows', 'Flows of datagrams that are on.', ({ flows }) => flows),
  ofDatagrams('gauge', 'poold_flow_carriers', 'Connections that carry flows.', ({ carriers }) => carriers),
  ofDatagrams('counter', 'poold_flows_opened_total', 'Flows that began.', ({ flowsTotal }) => flowsTotal),
  ofDatagrams(
    'counter',
    'poold_flows_displaced_total',
    'Flows that made room for others before their time.',
    ({ flowsDisplaced }) => flowsDisplaced,
  ),
  ofDatagrams(
    'counter',
    'poold_datagrams_received_total',
    'Datagrams from the other end of the tunnel.',
    ({ datagramsIn }) => datagramsIn,
  ),
  ofDatagrams(
    'counter',
    'poold_datagrams_sent_total',
    'Datagrams to the other end of the tunnel.',
    ({ datagramsOut }) => datagramsOut,
  ),
  byReason('poold_datagrams_dropped_total', 'Datagrams that went no further.', ({ datagrams }) => ({
    ...datagrams?.dropped,
  })),
  ofLimits(
    'gauge',
    'poold_bandwidth_limit_bytes_per_second',
    'What all visits together may move.',
    ({ bytesPerSecond }) => bytesPerSecond,
  ),
  ofLimits(
    'counter',
    'poold_throttled_seconds_total',
    'Time in which visits were held back by a limit.',
    ({ throttledMs }) => throttledMs / 1000,
  ),
  ofTargets('gauge', 'poold_target_up', 'Whether visits go to a target.', ({ up }) => Number(up)),
  ofTargets('gauge', 'poold_target_visits', 'Visits at a target, or on their way.', ({ inUse }) => inUse),
  ofTargets('gauge', 'poold_target_connections_warm', 'Connections to a target kept ready.', ({ warm }) => warm),
  ofTargets('counter', 'poold_target_visits_total', 'Visits sent to a target.', ({ total }) => total),
  ofTargets('counter', 'poold_target_failures_total', 'Visits that did not reach a target.', ({ failed }) => failed),
];

/** About where clients connect. */
export const LISTENER_FAMILIES: readonly NumberFamily<ListenerSnapshot>[] = [
  {
    type: 'gauge',
    name: 'poold_connections_arriving',
    help: 'Connections that have proved nothing yet.',
    read: ({ arriving }) => [[arriving]],
  },
  {
    type: 'gauge',
    name: 'poold_slowed_addresses',
    help: 'Addresses that have guessed too often, and are judged slowly.',
    read: ({ slowedAddresses }) => [[slowedAddresses]],
  },
  {
    type: 'counter',
    name: 'poold_handshakes_failed_total',
    help: 'Connections turned away before they were pooled, by error code.',
    labels: ['reason'],
    read: ({ handshakesFailed }) => Object.entries(handshakesFailed).map(([reason, count]) => [count ?? 0, { reason }]),
  },
];

/** About public addresses that several tunnels share. */
export const PUBLIC_FAMILIES: readonly NumberFamily<PublicSnapshot>[] = [
  {
    type: 'gauge',
    name: 'poold_public_reading',
    help: 'Visitors of whom it is not known yet who they are or whom they want.',
    read: ({ reading }) => [[reading]],
  },
  {
    type: 'counter',
    name: 'poold_public_refused_total',
    help: "Visitors turned away who were no tunnel's yet.",
    labels: ['reason'],
    read: ({ refused }) => Object.entries(refused).map(([reason, count]) => [count ?? 0, { reason }]),
  },
];

export const HISTOGRAM_FAMILIES: readonly HistogramFamily[] = [
  {
    type: 'histogram',
    name: 'poold_acquire_wait_seconds',
    help: 'How long visitors who were served waited for a connection.',
    read: ({ times }) => times.wait,
  },
  {
    type: 'histogram',
    name: 'poold_dial_duration_seconds',
    help: 'How long dials took that made a connection.',
    read: ({ times }) => times.dial,
  },
  {
    type: 'histogram',
    name: 'poold_visit_duration_seconds',
    help: 'How long visits were that are over.',
    read: ({ times }) => times.visit,
  },
];
