/** A file's tunnels as commands, each with the values that it would have had on a command line of its own. */
import { Command } from 'commander';
import { ConfigError } from '../../shared/errors.ts';
import { COMMAND_ROWS, flagsOf, levelsOf, nameFlag } from '../command-flags.ts';
import { TOKENS } from '../flags.ts';
import { attributeOf, type Flag, isTyped, nameOf, placeInFile, setFromFile } from '../flag.ts';
import { type ConfigFile, placeName } from './config-file.ts';
import type { Section } from './section.ts';

/** The commands that a file stands for. */
export interface FileCommands {
  /** What holds for the process. */
  readonly process: Command;
  /** The tunnels, by name. */
  readonly tunnels: ReadonlyMap<string, Command>;
}

/**
 * The commands of a file. What stands on the command line or in the environment holds for all of them, then what the
 * tunnel says, then what stands above the tunnels.
 *
 * @param command as it was typed
 * @throws ConfigError for a flag on the command line that belongs to one tunnel
 */
export function fileCommands(command: Command, file: ConfigFile): FileCommands {
  const { side, path, common, tunnels } = file;
  const name = nameFlag(side);
  const own = new Set<Flag>([...levelsOf(side).own, ...(name === undefined ? [] : [name])]);
  for (const flag of own) {
    if (!isTyped(flag, command)) continue;
    throw new ConfigError(`${nameOf(flag, command)}: belongs to one tunnel, and ${path} names them; write it there`);
  }
  const make = (section: Section, place: string): Command => {
    const one = new Command(side);
    placeInFile(one, place);
    for (const flag of flagsOf(COMMAND_ROWS[side])) {
      const attribute = attributeOf(flag);
      const source = command.getOptionValueSource(attribute);
      const given = section.get(flag);
      const forAll = common.get(flag);
      if (!own.has(flag) && (source === 'cli' || source === 'env')) {
        // For all tunnels: what the flow of one has no use for is meant for others.
        const level = source === 'cli' ? 'cli-for-all' : 'env-for-all';
        setFromFile(flag, one, level, command.getOptionValue(attribute), nameOf(flag, command));
      } else if (given !== undefined) {
        setFromFile(flag, one, 'tunnel', given.value, placeName(path, given.place));
      } else if (forAll !== undefined) {
        setFromFile(flag, one, 'common', forAll.value, placeName(path, forAll.place));
      }
    }
    return one;
  };
  const commands = new Map<string, Command>();
  for (const [tunnel, { section, place }] of tunnels) {
    const one = make(section, placeName(path, place));
    if (name !== undefined) setFromFile(name, one, 'tunnel', tunnel, placeName(path, place));
    commands.set(tunnel, one);
  }
  const process = make(new Map(), placeName(path, file.place));
  if (file.tokens !== undefined) {
    setFromFile(TOKENS, process, 'common', file.tokens.all, placeName(path, file.tokens.place));
  }
  return { process, tunnels: commands };
}
