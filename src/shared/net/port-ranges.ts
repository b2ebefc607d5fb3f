/** Ports by ranges, as text and back. */

const MAX_PORT = 65_535;

/** From `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Reads `8000-8999`, or one port.
 *
 * @throws RangeError saying what is wrong with it
 */
export function parsePortRange(text: string): PortRange {
  const [, from = '', to = from] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === '' || Math.max(first, last) > MAX_PORT) {
    throw new RangeError(`"${text}" is neither a port nor a range of ports, as in 8000-8999`);
  }
  if (first > last) throw new RangeError(`"${text}" begins behind its end; write ${last}-${first}`);
  return { first, last };
}

/** Writes ranges in the form that {@link parsePortRange} reads, separated by commas. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}

/** Whether one of them has the port. */
export function havePort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ first, last }) => first <= port && port <= last);
}
