/** Durations sorted into buckets: what a scrape, and a look at the last second, need of them. */

/** The counts of a {@link Histogram}, a snapshot. */
export interface HistogramCounts {
  /** The upper end of each bucket, ms, ascending; what is longer comes last. */
  readonly boundsMs: readonly number[];
  /** How many fell into each bucket: one more than there are bounds. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** From a tenth of a millisecond, which is a wait for nothing, to what a visitor or a dial is given at most. */
export const WAIT_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
];

/** From a request to a connection that stays for a day. */
export const VISIT_BOUNDS_MS: readonly number[] = [
  1, 5, 10, 50, 100, 500, 1000, 5000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000,
];

export class Histogram {
  readonly #boundsMs: readonly number[];
  readonly #counts: number[];
  #sumMs = 0;

  constructor(boundsMs: readonly number[]) {
    this.#boundsMs = boundsMs;
    this.#counts = Array.from({ length: boundsMs.length + 1 }, () => 0);
  }

  observe(durationMs: number): void {
    let low = 0;
    let high = this.#boundsMs.length;
    // The first bound that is not below it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#boundsMs[middle] as number) < durationMs) low = middle + 1;
      else high = middle;
    }
    this.#counts[low] = (this.#counts[low] as number) + 1;
    this.#sumMs += durationMs;
  }

  snapshot(): HistogramCounts {
    return { boundsMs: this.#boundsMs, counts: [...this.#counts], sumMs: this.#sumMs };
  }
}

/** How many durations were seen. */
export function countOf({ counts }: HistogramCounts): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** What came between two snapshots of one histogram. A restart in between shows as the later one alone. */
export function between(earlier: HistogramCounts, later: HistogramCounts): HistogramCounts {
  if (countOf(earlier) > countOf(later)) return later;
  const counts = later.counts.map((count, at) => Math.max(0, count - (earlier.counts[at] ?? 0)));
  return { boundsMs: later.boundsMs, counts, sumMs: Math.max(0, later.sumMs - earlier.sumMs) };
}

/** Both together; they have the same bounds. */
export function addHistograms(one: HistogramCounts, other: HistogramCounts): HistogramCounts {
  const counts = one.counts.map((count, at) => count + (other.counts[at] ?? 0));
  return { boundsMs: one.boundsMs, counts, sumMs: one.sumMs + other.sumMs };
}

/**
 * The duration, ms, that a share `q` of all stayed within, as if they were spread evenly in their bucket; undefined when
 * there are none. What is longer than the last bound counts as that bound.
 */
export function quantile(histogram: HistogramCounts, q: number): number | undefined {
  const { boundsMs, counts } = histogram;
  const wanted = q * countOf(histogram);
  if (wanted === 0) return undefined;
  let before = 0;
  for (const [at, count] of counts.entries()) {
    if (before + count >= wanted && count > 0) {
      const from = at === 0 ? 0 : (boundsMs[at - 1] as number);
      const to = boundsMs[at] ?? from;
      return from + ((to - from) * (wanted - before)) / count;
    }
    before += count;
  }
  return boundsMs.at(-1);
}
