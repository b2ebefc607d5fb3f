/** Completion in fish: a file for its folder of completions. */
import type { CommandOutline, OptionOutline, ProgramOutline } from '../outline.ts';

export function fishScript({ name, options, commands }: ProgramOutline): string {
  const first = `not __${name}_command`;
  const lines = [
    ...options.map((option) => optionLine(name, first, option)),
    ...commands.map(
      (command) => `complete -c ${name} -n '${first}' -a ${quoted(command.name)} -d ${quoted(command.help)}`,
    ),
    ...commands.flatMap((command) => commandLines(name, command)),
  ];
  return `# fish completion for ${name}; made by: ${name} completion fish
function __${name}_command -d 'Whether a command is typed, and it is this one'
    set -l words (commandline -opc)
    set -q words[2]; or return 1
    set -q argv[1]; or return 0
    test "$words[2]" = "$argv[1]"
end
complete -c ${name} -f
${lines.join('\n')}
`;
}

function commandLines(program: string, { name, options, choices, takesFile }: CommandOutline): string[] {
  const here = `__${program}_command ${name}`;
  const lines = options.flatMap((option) => [
    optionLine(program, here, option),
    ...(option.mayStandAlone ? [afterLine(program, here, option)] : []),
  ]);
  if (choices.length > 0) lines.push(`complete -c ${program} -n '${here}' -a ${quoted(choices.join(' '))}`);
  if (takesFile) lines.push(`complete -c ${program} -n '${here}' -F`);
  return lines;
}

/** fish itself offers a value that may be left out behind = alone. */
function afterLine(program: string, here: string, { long, choices }: OptionOutline): string {
  const after = `${here}; and test (commandline -opc)[-1] = ${long}`;
  return `complete -c ${program} -n '${after}' -a ${quoted(choices.join(' '))}`;
}

function optionLine(program: string, condition: string, option: OptionOutline): string {
  const { long, short, help } = option;
  const names = `-l ${long.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}`;
  return `complete -c ${program} -n '${condition}' ${names}${value(option)} -d ${quoted(help)}`;
}

function value(option: OptionOutline): string {
  if (option.value === undefined) return '';
  const choices = option.choices.length === 0 ? '' : ` -a ${quoted(option.choices.join(' '))}`;
  if (option.mayStandAlone) return choices;
  if (option.value === 'folder') return " -x -a '(__fish_complete_directories)'";
  return option.value === 'file' ? ' -r -F' : ` -x${choices}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
