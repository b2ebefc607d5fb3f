/** What every row of the benchmark is given, and gives back. */

/** How much is measured. */
interface Setup {
  /** The port of the target that runs beside all ways. */
  readonly target: number;
  /** Turns for each figure. */
  readonly turns: number;
  /** As little as shows that it works: the figures mean nothing. */
  readonly quick: boolean;
  /** Says on stderr what is being measured. */
  readonly progress: (text: string) => void;
}

/** A promise of docs/performance.md, and whether it was kept. */
export interface Goal {
  /** What is measured, for people. */
  readonly what: string;
  readonly figure: number;
  readonly limit: number;
  readonly sense: 'at most' | 'at least';
  /** What the numbers are: `× bare pipe`, `ms`. */
  readonly unit: string;
}

export interface RowResult {
  /** Markdown, tables and what they are about. */
  readonly text: string;
  /** Everything that was measured, for the result's file. */
  readonly figures: unknown;
  readonly goals: readonly Goal[];
  /** Visits, transfers or connections that did not end as they should. */
  readonly lost: number;
}

export type Row = (setup: Setup) => Promise<RowResult>;

export function isMet({ figure, limit, sense }: Goal): boolean {
  return sense === 'at most' ? figure <= limit : figure >= limit;
}
