/**
 * Durations and sizes as people write them on the command line and in files: a whole number with
 * its unit (`30s`, `64KiB`). A number without a unit is refused, because `--wait 30` would mean
 * thirty seconds to one reader and thirty milliseconds to the next; only `0` needs no unit.
 */

/** A unit's factors by name, largest first, so that formatting finds the shortest exact text. */
type Units = readonly (readonly [name: string, factor: number])[];

const DURATION_UNITS: Units = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

const SIZE_UNITS: Units = [
  ['GiB', 1024 ** 3],
  ['GB', 1000 ** 3],
  ['MiB', 1024 ** 2],
  ['MB', 1000 ** 2],
  ['KiB', 1024],
  ['kB', 1000],
  ['KB', 1000],
  ['B', 1],
];

/** The longest delay that Node's timers keep, ms (2³¹ − 1, over 24 days); a longer one fires at once. */
export const MAX_DURATION_MS = 2 ** 31 - 1;

/**
 * Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, or a plain `0`.
 *
 * @returns ms, at most {@link MAX_DURATION_MS}
 * @throws RangeError with the problem in words that name the text but not the option
 */
export function parseDuration(text: string): number {
  const ms = parseQuantity(text, DURATION_UNITS, 'a duration', '30s');
  if (ms > MAX_DURATION_MS) {
    throw new RangeError(`"${text}" is longer than a timer can wait; use at most 596h`);
  }
  return ms;
}

/**
 * Reads a size: a whole number and one of `B`, `kB`, `KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`,
 * `GiB` (powers of 1024), or a plain `0`.
 *
 * @returns bytes
 * @throws RangeError with the problem in words that name the text but not the option
 */
export function parseSize(text: string): number {
  return parseBytes(text, 'a size', '64KiB');
}

/**
 * Reads a rate: a size, and `/s` behind it or not (`10MB/s`).
 *
 * @returns bytes a second
 * @throws RangeError with the problem in words that name the text but not the option
 */
export function parseRate(text: string): number {
  return parseBytes(text.replace(/\/s$/, ''), 'a rate', '10MB/s');
}

/** Writes whole ms in the largest unit that stays exact: 300000 is `5m`, 90000 is `90s`. */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, DURATION_UNITS, 'ms');
}

/** Writes whole bytes in the largest unit that stays exact: 65536 is `64KiB`, 10000000 is `10MB`. */
export function formatSize(bytes: number): string {
  return formatQuantity(bytes, SIZE_UNITS, 'B');
}

function parseBytes(text: string, what: string, example: string): number {
  const bytes = parseQuantity(text, SIZE_UNITS, what, example);
  if (!Number.isSafeInteger(bytes)) {
    throw new RangeError(`"${text}" is too large to count in bytes`);
  }
  return bytes;
}

function parseQuantity(text: string, units: Units, what: string, example: string): number {
  if (text === '0') {
    return 0;
  }
  if (text.startsWith('-')) {
    throw new RangeError(`"${text}" is negative; write ${what} such as ${example}, or 0`);
  }
  const [, digits, name] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new RangeError(`"${text}" is not ${what}; write a whole number and a unit, such as ${example}`);
  }
  const names = units.map(([unit]) => unit).join(', ');
  if (name === '') {
    throw new RangeError(`"${text}" has no unit; write ${what} such as ${example} (${names})`);
  }
  const factor = units.find(([unit]) => unit === name)?.[1];
  if (factor === undefined) {
    throw new RangeError(`"${text}" has an unknown unit; use one of ${names}`);
  }
  return Number(digits) * factor;
}

function formatQuantity(value: number, units: Units, smallest: string): string {
  const exact = value === 0 ? undefined : units.find(([, factor]) => value % factor === 0);
  return exact === undefined ? `${value}${smallest}` : `${value / exact[1]}${exact[0]}`;
}
