/** The last minutes of one end of a tunnel, as points: levels as they were, and rates from one report to the next. */
import { between, type HistogramCounts, quantile } from '../../../../shared/telemetry/histogram.ts';
import type { TunnelSnapshot } from '../../../../shared/telemetry/snapshot.ts';

/** How much is kept, ms. */
export const KEPT_MS = 600_000;

/** A longer silence shows as a gap, ms. */
const GAP_MS = 3500;

/** What is drawn. Per second where it flows; null where there is nothing to say. */
export interface Point {
  readonly at: number;
  readonly idle: number | null;
  readonly inUse: number | null;
  readonly capacity: number | null;
  readonly waiting: number | null;
  readonly visits: number | null;
  readonly toVisitors: number | null;
  readonly fromVisitors: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly errors: number | null;
}

export type Series = Exclude<keyof Point, 'at'>;

/** The one of its durations that says most about this end. */
export type Timed = 'wait' | 'dial' | 'visit';

/** Waiting shows where visitors come in, dials where they are made. */
export function timedOf({ side, flow }: Pick<TunnelSnapshot, 'side' | 'flow'>): Timed {
  if (isEntrance({ side, flow })) return 'wait';
  return side === 'client' ? 'dial' : 'visit';
}

/** Whether visitors come in at this end. */
export function isEntrance({ side, flow }: Pick<TunnelSnapshot, 'side' | 'flow'>): boolean {
  return (side === 'server') === (flow === 'reverse');
}

/** Everything that has gone wrong so far. */
function errorsOf({ visits, dials }: TunnelSnapshot): number {
  const { done: _, ...broken } = visits.closed;
  return sumOf(broken) + sumOf(visits.refused) + sumOf(dials.failed);
}

/** All words together. */
export function sumOf(counts: Readonly<Record<string, number | undefined>>): number {
  return Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);
}

/** Kept in order of time. */
export class History {
  #points: Point[] = [];
  #last: { at: number; snapshot: TunnelSnapshot } | undefined;

  get points(): readonly Point[] {
    return this.#points;
  }

  /** The latest. */
  get now(): Point | undefined {
    return this.#points.at(-1);
  }

  /** @param at ms since 1970, by the clock of whoever made the snapshot */
  add(at: number, snapshot: TunnelSnapshot): void {
    const last = this.#last;
    // A report that was repeated, or a clock that was set back: begin anew.
    if (last !== undefined && at <= last.at) this.#points = [];
    const isNext = last !== undefined && at > last.at && at - last.at <= GAP_MS;
    if (last !== undefined && at - last.at > GAP_MS) this.#points.push(gapAt(last.at + 1));
    const { connections, visits, bytes, times } = snapshot;
    const { idle, inUse, capacity, waiting } = connections;
    const before = isNext ? last.snapshot : undefined;
    const seconds = isNext ? (at - last.at) / 1000 : 1;
    const rate = (now: number, then: number | undefined): number | null =>
      then === undefined ? null : Math.max(0, now - then) / seconds;
    const received = rate(bytes.received, before?.bytes.received);
    const sent = rate(bytes.sent, before?.bytes.sent);
    const entrance = isEntrance(snapshot);
    const timed = timedOf(snapshot);
    const lately = before && between(before.times[timed], times[timed]);
    this.#points.push({
      at,
      idle,
      inUse,
      capacity,
      waiting,
      visits: rate(visits.opened, before?.visits.opened),
      toVisitors: entrance ? received : sent,
      fromVisitors: entrance ? sent : received,
      p50: quantileOf(lately, 0.5),
      p99: quantileOf(lately, 0.99),
      errors: rate(errorsOf(snapshot), before && errorsOf(before)),
    });
    this.#last = { at, snapshot };
    const from = at - KEPT_MS;
    while ((this.#points[0]?.at ?? from) < from) this.#points.shift();
  }

  /** A series for a chart. */
  values(series: Series): (number | null)[] {
    return this.#points.map((point) => point[series]);
  }
}

function quantileOf(histogram: HistogramCounts | undefined, q: number): number | null {
  return (histogram && quantile(histogram, q)) ?? null;
}

function gapAt(at: number): Point {
  return {
    at,
    idle: null,
    inUse: null,
    capacity: null,
    waiting: null,
    visits: null,
    toVisitors: null,
    fromVisitors: null,
    p50: null,
    p99: null,
    errors: null,
  };
}
