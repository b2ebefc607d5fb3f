/** Numbers of several turns, and how they are shown. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}

/** `median (least to most)`, with so many digits behind the point. */
export function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

/** The quotients of figures that were taken in the same turns. */
export function ratios(values: readonly number[], bases: readonly number[]): number[] {
  return values.map((value, turn) => value / (bases[turn] ?? Number.NaN));
}

/** Rows of text as a Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Figures by way, one a turn. */
export type Turns<F> = Map<string, F[]>;

/** Takes a figure of each way in turns (A B A B), so that what the machine does meanwhile meets all of them. */
export async function inTurns<W extends { readonly name: string }, F>(
  ways: readonly W[],
  turns: number,
  measure: (way: W, turn: number) => Promise<F>,
): Promise<Turns<F>> {
  const figures: Turns<F> = new Map(ways.map(({ name }) => [name, []]));
  for (let turn = 0; turn < turns; turn += 1) {
    for (const way of ways) figures.get(way.name)?.push(await measure(way, turn));
  }
  return figures;
}

/** One column of figures: those of a way, in the order of the turns. */
export function column<F>(figures: Turns<F>, way: string, pick: (figure: F) => number): number[] {
  return (figures.get(way) ?? []).map(pick);
}
