/** Snapshots of the same tunnel in several processes, as one. */
import type { BandwidthStats, LimitStats } from '../tunnel/bandwidth.ts';
import type { DatagramStats } from '../tunnel/datagram-stats.ts';
import { addHistograms } from './histogram.ts';
import type { Counts, Levels, ListenerSnapshot, PeerSnapshot, PublicSnapshot, TunnelSnapshot } from './snapshot.ts';

/** One snapshot for each tunnel and side. */
export function sumSnapshots(snapshots: readonly TunnelSnapshot[]): TunnelSnapshot[] {
  const sums = new Map<string, TunnelSnapshot>();
  for (const snapshot of snapshots) {
    const key = JSON.stringify([snapshot.tunnel, snapshot.side]);
    const before = sums.get(key);
    sums.set(key, before === undefined ? snapshot : add(before, snapshot));
  }
  return [...sums.values()];
}

/** One snapshot for each listener. */
export function sumListeners(snapshots: readonly ListenerSnapshot[]): ListenerSnapshot[] {
  return addByName(
    [],
    snapshots,
    ({ listen }) => listen,
    (one, other) => ({
      listen: one.listen,
      arriving: one.arriving + other.arriving,
      slowedAddresses: one.slowedAddresses + other.slowedAddresses,
      handshakesFailed: addCounts(one.handshakesFailed, other.handshakesFailed),
    }),
  );
}

/** One snapshot for each shared address. */
export function sumPublics(snapshots: readonly PublicSnapshot[]): PublicSnapshot[] {
  return addByName(
    [],
    snapshots,
    ({ listen }) => listen,
    (one, other) => ({
      listen: one.listen,
      reading: one.reading + other.reading,
      refused: addCounts(one.refused, other.refused),
    }),
  );
}

/** What stays of a process that has ended: its totals, without which a counter would go back. */
export function totalsOf(snapshot: TunnelSnapshot): TunnelSnapshot {
  const none = { idle: 0, inUse: 0, connecting: 0, capacity: 0, max: 0, intervalMs: 0, waiting: 0 };
  return {
    ...snapshot,
    ready: false,
    connections: { ...snapshot.connections, ...none },
    visits: { ...snapshot.visits, on: 0 },
    peers: [],
    // What it believed of a target has gone with it.
    targets: snapshot.targets.map(({ target, total, failed }) => ({
      target,
      total,
      failed,
      up: true,
      inUse: 0,
      warm: 0,
    })),
    datagrams: snapshot.datagrams && { ...snapshot.datagrams, flows: 0, carriers: 0 },
    bandwidth: snapshot.bandwidth && mapLimits(snapshot.bandwidth, (limit) => ({ ...limit, bytesPerSecond: 0 })),
  };
}

function add(one: TunnelSnapshot, other: TunnelSnapshot): TunnelSnapshot {
  return {
    ...one,
    ready: one.ready || other.ready,
    entrance: one.entrance ?? other.entrance,
    listen: one.listen ?? other.listen,
    connections: {
      ...addLevels(one.connections, other.connections),
      opened: one.connections.opened + other.connections.opened,
      closed: addCounts(one.connections.closed, other.connections.closed),
    },
    visits: {
      on: one.visits.on + other.visits.on,
      opened: one.visits.opened + other.visits.opened,
      closed: addCounts(one.visits.closed, other.visits.closed),
      refused: addCounts(one.visits.refused, other.visits.refused),
    },
    bytes: { received: one.bytes.received + other.bytes.received, sent: one.bytes.sent + other.bytes.sent },
    dials: {
      made: one.dials.made + other.dials.made,
      failed: addCounts(one.dials.failed, other.dials.failed),
    },
    errors: one.errors + other.errors,
    times: {
      wait: addHistograms(one.times.wait, other.times.wait),
      dial: addHistograms(one.times.dial, other.times.dial),
      visit: addHistograms(one.times.visit, other.times.visit),
    },
    peers: addByName(one.peers, other.peers, ({ peer }) => peer, addPeers),
    targets: addByName(
      one.targets,
      other.targets,
      ({ target }) => target,
      (here, there) => ({
        target: here.target,
        up: here.up && there.up,
        inUse: here.inUse + there.inUse,
        total: here.total + there.total,
        failed: here.failed + there.failed,
        warm: here.warm + there.warm,
      }),
    ),
    datagrams: eitherOr(one.datagrams, other.datagrams, addDatagrams),
    bandwidth: eitherOr(one.bandwidth, other.bandwidth, addBandwidth),
  };
}

/** What both have together, or the one that has it. */
function eitherOr<T>(one: T | undefined, other: T | undefined, both: (one: T, other: T) => T): T | undefined {
  return one === undefined || other === undefined ? (one ?? other) : both(one, other);
}

function addDatagrams(one: DatagramStats, other: DatagramStats): DatagramStats {
  const { dropped, ...numbers } = one;
  return { ...addNumbers(numbers, other), dropped: addNumbers(dropped, other.dropped) };
}

function addBandwidth(one: BandwidthStats, other: BandwidthStats): BandwidthStats {
  return { ...other, ...mapLimits(one, (limit, direction) => addNumbers(limit, other[direction])) };
}

function mapLimits(
  { upload, download }: BandwidthStats,
  map: (limit: LimitStats, direction: keyof BandwidthStats) => LimitStats,
): BandwidthStats {
  return {
    ...(upload && { upload: map(upload, 'upload') }),
    ...(download && { download: map(download, 'download') }),
  };
}

/** Each number of one with the other's by that name. */
function addNumbers<T extends { readonly [K in keyof T]: number }>(one: T, other: T | undefined): T {
  const sums = Object.entries<number>(one).map(([name, number]) => [name, number + (other?.[name as keyof T] ?? 0)]);
  return Object.fromEntries(sums) as T;
}

function addLevels(one: Levels, other: Levels): Levels {
  return {
    idle: one.idle + other.idle,
    inUse: one.inUse + other.inUse,
    connecting: one.connecting + other.connecting,
    capacity: one.capacity + other.capacity,
    max: one.max + other.max,
    intervalMs: Math.min(one.intervalMs, other.intervalMs),
    waiting: one.waiting + other.waiting,
  };
}

function addPeers(one: PeerSnapshot, other: PeerSnapshot): PeerSnapshot {
  const times = [one.since, other.since].filter((since) => since !== undefined);
  return {
    ...one,
    remote: one.remote ?? other.remote,
    since: times.sort()[0],
    idle: one.idle + other.idle,
    inUse: one.inUse + other.inUse,
    visits: one.visits + other.visits,
    bytesReceived: one.bytesReceived + other.bytesReceived,
    bytesSent: one.bytesSent + other.bytesSent,
  };
}

function addCounts<K extends string>(one: Counts<K>, other: Counts<K>): Counts<K> {
  const sum: Partial<Record<K, number>> = { ...one };
  for (const [word, count] of Object.entries(other) as [K, number][]) sum[word] = (sum[word] ?? 0) + count;
  return sum;
}

function addByName<T>(
  ones: readonly T[],
  others: readonly T[],
  nameOf: (one: T) => string,
  both: (a: T, b: T) => T,
): T[] {
  const sums = new Map(ones.map((one) => [nameOf(one), one]));
  for (const other of others) {
    const before = sums.get(nameOf(other));
    sums.set(nameOf(other), before === undefined ? other : both(before, other));
  }
  return [...sums.values()];
}
