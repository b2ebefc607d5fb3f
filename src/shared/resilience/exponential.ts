/** A pause that grows with each attempt. */
export interface Growth {
  /** The pause of attempt 0, ms. */
  readonly firstMs: number;
  /** What each further attempt multiplies it by. */
  readonly factor: number;
  /** The longest pause, ms. */
  readonly maxMs: number;
}

/** The pause of an attempt, counted from 0, ms. */
export function exponentialMs(attempt: number, { firstMs, factor, maxMs }: Growth): number {
  return Math.min(maxMs, firstMs * factor ** attempt);
}
