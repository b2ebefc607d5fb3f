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
  return flag.flags.split(' ')[0] ?? '';
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

/** Where a file's value stands: at the tunnel itself, or above all tunnels, as what holds for each. */
export type FileLevel = 'tunnel' | 'common';

/** What to call the values that a command has from a file, by its flags. */
const places = new WeakMap<Command, Map<Flag, string>>();

/** Sets a value as if it had been given, and remembers where in a file it stands. */
export function setFromFile(flag: Flag, command: Command, level: FileLevel, value: unknown, place: string): void {
  command.setOptionValueWithSource(attributeOf(flag), value, level);
  let known = places.get(command);
  if (known === undefined) places.set(command, (known = new Map()));
  known.set(flag, place);
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
  return (source === 'tunnel' || source === 'common' ? places.get(command)?.get(flag) : undefined) ?? longName(flag);
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
