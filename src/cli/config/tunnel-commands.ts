/** A file's tunnels as commands, each with the values that it would have had on a command line of its own. */
import { Command } from 'commander';
import { ConfigError } from '../../shared/errors.ts';
import { COMMAND_ROWS, flagsOf, levelsOf, nameFlag } from '../command-flags.ts';
import { attributeOf, type Flag, isTyped, nameOf, setFromFile, toOption } from '../flag.ts';
import { type ConfigFile, placeName } from './config-file.ts';

/**
 * The commands of a file's tunnels, by name. What stands on the command line or in the environment holds for all of them,
 * then what the tunnel says, then what stands above the tunnels.
 *
 * @param command as it was typed
 * @throws ConfigError for a flag on the command line that belongs to one tunnel
 */
export function tunnelCommands(command: Command, file: ConfigFile): ReadonlyMap<string, Command> {
  const { side, path, common, tunnels } = file;
  const name = nameFlag(side);
  for (const flag of [...levelsOf(side).own, name]) {
    if (!isTyped(flag, command)) continue;
    throw new ConfigError(`${nameOf(flag, command)}: belongs to one tunnel, and ${path} names them; write it there`);
  }
  const own = new Set<Flag>([...levelsOf(side).own, name]);
  const commands = new Map<string, Command>();
  for (const [tunnel, section] of tunnels) {
    const one = new Command(side);
    for (const flag of flagsOf(COMMAND_ROWS[side])) {
      one.addOption(toOption(flag));
      const attribute = attributeOf(flag);
      const source = command.getOptionValueSource(attribute);
      const given = section.get(flag);
      const forAll = common.get(flag);
      if (!own.has(flag) && (source === 'cli' || source === 'env')) {
        // For all tunnels: what the flow of one has no use for is meant for others.
        setFromFile(flag, one, 'common', command.getOptionValue(attribute), nameOf(flag, command));
      } else if (given !== undefined) {
        setFromFile(flag, one, 'tunnel', given.value, placeName(path, given.place));
      } else if (forAll !== undefined) {
        setFromFile(flag, one, 'common', forAll.value, placeName(path, forAll.place));
      }
    }
    setFromFile(name, one, 'tunnel', tunnel, `${path} ${side}.tunnels.${tunnel}`);
    commands.set(tunnel, one);
  }
  return commands;
}
