/** What a flag is, what it is called, and how commander reads it. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError, reasonOf } from '../shared/errors.ts';

/** One flag. Each can also be set in the environment: `--keep-alive` is `POOLD_KEEP_ALIVE`. */
export interface Flag {
  /** As commander reads it: `--keep-alive <duration>`. */
  readonly flags: string;
  readonly help: string;
  /** What happens without it, for the help. */
  readonly default?: string;
  /** Reads the value; what it throws becomes the error's text. Left out: the text as it is. */
  readonly parse?: (text: string) => unknown;
  /** Another key for it in a file. */
  readonly alias?: string;
  /** May be given more than once, and takes several values separated by commas. */
  readonly repeatable?: true;
  /** A value that begins with @ names a file of values, one a line: `any` number of them, or `some` at least. */
  readonly fromFiles?: 'any' | 'some';
  readonly choices?: readonly string[];
  /** What a flag that stands alone means, where it may. */
  readonly alone?: string;
}

/** The environment variable of a flag: `--keep-alive` → `POOLD_KEEP_ALIVE`. */
export function variableOf(flag: Flag): string {
  return `POOLD_${longName(flag).slice(2).replaceAll('-', '_').toUpperCase()}`;
}

/** `--keep-alive <duration>` → `--keep-alive`. */
function longName(flag: Flag): string {
  return flag.flags.split(' ').find((part) => part.startsWith('--')) ?? '';
}

/** What a flag is called in a file: `--keep-alive <duration>` → `keep-alive`. */
export function keyOf(flag: Flag): string {
  return longName(flag).slice(2);
}

/** Reads one value of a flag. @throws RangeError saying what is wrong with it */
export function readValue(flag: Flag, text: string): unknown {
  if (flag.choices?.includes(text) === false) throw new RangeError(`allowed are ${flag.choices.join(', ')}`);
  return flag.parse === undefined ? text : flag.parse(text);
}

/** Reads one text of a flag that may be repeated. */
export function splitValues(text: string): string[] {
  return text.split(',').map((entry) => entry.trim());
}

/** commander's name for a flag's value: `--keep-alive` → `keepAlive`. */
export function attributeOf(flag: Flag): string {
  return longName(flag)
    .slice(2)
    .replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Its value, wherever it was set; undefined when it was not. */
export function valueOf(flag: Flag, command: Command): unknown {
  return command.getOptionValue(attributeOf(flag));
}

/** Whether the flag stands on the command line. */
export function isTyped(flag: Flag, command: Command): boolean {
  return command.getOptionValueSource(attributeOf(flag)) === 'cli';
}

/**
 * Whom the values of a file's tunnels are from: the tunnel itself, what stands above all tunnels, or, over both, the
 * environment and the command line.
 */
export type FileLevel = 'tunnel' | 'common' | 'env-for-all' | 'cli-for-all';

/** Who counts more, where several say something. */
const RANKS: readonly (string | undefined)[] = ['common', 'tunnel', 'env-for-all', 'env', 'cli-for-all', 'cli'];

/** How much it counts who has set a flag; more for the command line than for the environment, and for that than a file. */
export function rankOf(flag: Flag, command: Command): number {
  return RANKS.indexOf(command.getOptionValueSource(attributeOf(flag)));
}

/** What to call a command's values that are from a file, by their flags, and what it is called there itself. */
interface Places {
  readonly of: string;
  readonly values: Map<Flag, string>;
}

const places = new WeakMap<Command, Places>();

/** Says that a command stands in a file, and what to call its place. */
export function placeInFile(command: Command, place: string): void {
  places.set(command, { of: place, values: new Map() });
}

/** Sets a value as if it had been given, and remembers where in the command's file it stands. */
export function setFromFile(flag: Flag, command: Command, level: FileLevel, value: unknown, place: string): void {
  command.setOptionValueWithSource(attributeOf(flag), value, level);
  places.get(command)?.values.set(flag, place);
}

/** Whether it was given for this very tunnel: on the command line, or at the tunnel in a file. */
export function isMeant(flag: Flag, command: Command): boolean {
  const source = command.getOptionValueSource(attributeOf(flag));
  return source === 'cli' || source === 'tunnel';
}

/** What to call a setting towards whoever gave it: its variable or its place in a file where that gave it, else its flag. */
export function nameOf(flag: Flag, command: Command): string {
  const source = command.getOptionValueSource(attributeOf(flag));
  if (source === 'env') return variableOf(flag);
  const inFile = places.get(command);
  if (source === 'cli' || inFile === undefined) return longName(flag);
  return inFile.values.get(flag) ?? `${inFile.of}.${keyOf(flag)}`;
}

/** The commander option of a row. */
export function toOption(flag: Flag): Option {
  const text = flag.default === undefined ? flag.help : `${flag.help} (default: ${flag.default})`;
  const option = new Option(flag.flags, text).env(variableOf(flag));
  if (flag.choices !== undefined) option.choices(flag.choices);
  if (flag.alone !== undefined) option.preset(flag.alone);
  return option.argParser((given: string, before: unknown) => {
    if (flag.repeatable === true) {
      return [...((before as string[] | undefined) ?? []), ...splitValues(given)];
    }
    // Not commander's error, which shows the value: this flag may be --token.
    if (before !== undefined) throw new ConfigError(`${longName(flag)}: is given twice; give it once`);
    try {
      return readValue(flag, given);
    } catch (error) {
      throw new InvalidArgumentError(`${reasonOf(error)}.`);
    }
  });
}
