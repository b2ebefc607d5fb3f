/** The command line as data, read from commander's tree, for all that is made from it: completion and the manual page. */
import type { Command, Option } from 'commander';

export interface OptionOutline {
  /** `--keep-alive`. */
  readonly long: string;
  /** `-h`, where it has one. */
  readonly short: string | undefined;
  /** As commander shows it: `--keep-alive <duration>`. */
  readonly term: string;
  /** What the value is called: `duration`; undefined for one that takes none. */
  readonly value: string | undefined;
  /** Whether the value may be left out. */
  readonly mayStandAlone: boolean;
  /** All that the value may be; empty where that is no list. */
  readonly choices: readonly string[];
  readonly help: string;
  /** Its heading in the help. */
  readonly heading: string | undefined;
  readonly variable: string | undefined;
}

export interface CommandOutline {
  readonly name: string;
  /** As commander shows it, without the program's name: `server [options]`. */
  readonly usage: string;
  readonly help: string;
  readonly options: readonly OptionOutline[];
  /** What its first argument may be; empty where that is no list. */
  readonly choices: readonly string[];
  /** Whether its first argument names a file. */
  readonly takesFile: boolean;
}

export interface ProgramOutline extends CommandOutline {
  readonly commands: readonly CommandOutline[];
}

/** All that `--help` would show. */
export function outlineOf(program: Command): ProgramOutline {
  const commands = program.createHelp().visibleCommands(program);
  const names = commands.map((command) => command.name());
  return {
    ...commandOutline(program),
    // commander's own help is followed by a command.
    commands: commands.map((command) => commandOutline(command, command.name() === 'help' ? names : undefined)),
  };
}

function commandOutline(command: Command, choices = command.registeredArguments[0]?.argChoices): CommandOutline {
  const [argument] = command.registeredArguments;
  const help = command.createHelp();
  return {
    name: command.name(),
    usage: help.subcommandTerm(command),
    help: command.description(),
    options: help.visibleOptions(command).map((option) => optionOutline(option, help.optionDescription(option))),
    choices: choices ?? [],
    takesFile: argument?.name() === 'file',
  };
}

function optionOutline(option: Option, help: string): OptionOutline {
  const value = /[<[](.+)[>\]]$/.exec(option.flags)?.[1];
  return {
    long: option.long ?? option.flags,
    short: option.short,
    term: option.flags,
    value,
    mayStandAlone: option.optional,
    choices: option.argChoices ?? (value?.includes('|') === true ? value.split('|') : []),
    help,
    heading: option.helpGroupHeading,
    variable: option.envVar,
  };
}

/** Whether its value names a file or a folder. */
export function takesPath({ value }: OptionOutline): boolean {
  return value === 'file' || value === 'folder';
}
