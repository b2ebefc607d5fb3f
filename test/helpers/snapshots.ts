import type { Side, TunnelSnapshot } from '../../src/shared/telemetry/snapshot.ts';

export interface SnapshotParts {
  readonly side?: Side;
  readonly opened?: number;
  readonly received?: number;
  readonly sent?: number;
  /** Waits of up to 1 ms, up to 10 ms, and longer ones. */
  readonly waits?: readonly [number, number, number];
}

/** One end of a reverse tunnel, idle but for what is said. */
export function snapshotOf({
  side = 'server',
  opened = 0,
  received = 0,
  sent = 0,
  waits = [0, 0, 0],
}: SnapshotParts): TunnelSnapshot {
  const levels = { idle: 3, inUse: 1, connecting: 0, capacity: 8, max: 8, intervalMs: 0, waiting: 0 };
  const none = { boundsMs: [1, 10], counts: [0, 0, 0], sumMs: 0 };
  return {
    tunnel: 'web',
    side,
    flow: 'reverse',
    ready: true,
    entrance: undefined,
    listen: undefined,
    connections: { ...levels, opened: 4, closed: {} },
    visits: { on: 1, opened, closed: {}, refused: {} },
    bytes: { received, sent },
    dials: { made: 0, failed: {} },
    errors: 0,
    times: { wait: { boundsMs: [1, 10], counts: waits, sumMs: 0 }, dial: none, visit: none },
    peers: [],
    targets: [],
  };
}
