/** Columns under their heads, as wide as they need to be; nothing for no rows. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const widths = heads.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const isNumber = heads.map((_, at) => rows.every((row) => /^(?:[\d,.]+(?: \S+)*|-)$/.test(row[at] ?? '')));
  const pad = (cell: string, at: number): string =>
    isNumber[at] === true && at > 0 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0);
  const line = (cells: readonly string[]): string => `  ${cells.map(pad).join('  ')}`.trimEnd();
  return ['', ...[heads, ...rows].map(line)];
}
