/** Completion in bash, from version 3.2 (macOS) on, with nothing but what bash itself has. */
import { type CommandOutline, type OptionOutline, type ProgramOutline, takesPath } from '../outline.ts';

export function bashScript(program: ProgramOutline): string {
  const { name, commands } = program;
  return `# bash completion for ${name}; made by: ${name} completion bash
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} flags words='' paths='' line
  # bash takes --flag=value for three words.
  if [[ $current == = ]]; then
    current=''
  elif [[ $before == = ]]; then
    before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    flags='${names(program.options).join(' ')}'
    words='${commands.map((command) => command.name).join(' ')}'
    [[ $current == -* ]] && words=$flags
  else
    case \${COMP_WORDS[1]} in
${commands.map(commandCase).join('')}    esac
  fi
  [[ -n $paths ]] && compopt -o filenames 2> /dev/null
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(if [[ -n $paths ]]; then compgen -A "$paths" -- "$current"; else compgen -W "$words" -- "$current"; fi)
}
complete -F _${name} ${name}
`;
}

function commandCase(command: CommandOutline): string {
  const { options, choices, takesFile } = command;
  const needed = options.filter((option) => option.value !== undefined && !option.mayStandAlone);
  const free = needed.filter((option) => !takesPath(option) && option.choices.length === 0);
  const rows = [
    ...options.filter((option) => option.choices.length > 0).map(choicesRow),
    caseRow(
      needed.filter(({ value }) => value === 'file'),
      "paths='file'",
    ),
    caseRow(
      needed.filter(({ value }) => value === 'folder'),
      "paths='directory'",
    ),
    // What nobody can guess.
    caseRow(free, 'return'),
  ];
  return `      ${command.name})
        flags='${names(options).join(' ')}'
        case $before in
${rows.join('')}          *) ${takesFile ? "if [[ $current == -* ]]; then words=$flags; else paths='file'; fi" : wordsOrFlags(choices)} ;;
        esac
        ;;
`;
}

/** Where the value may be left out, another flag may follow. */
function choicesRow(option: OptionOutline): string {
  const { choices, mayStandAlone } = option;
  return caseRow([option], mayStandAlone ? wordsOrFlags(choices) : `words='${choices.join(' ')}'`);
}

/** Flags are offered where a - is typed, or where nothing else may stand. */
function wordsOrFlags(words: readonly string[]): string {
  return words.length === 0 ? 'words=$flags' : `words='${words.join(' ')}'; [[ $current == -* ]] && words=$flags`;
}

function caseRow(options: readonly OptionOutline[], what: string): string {
  return options.length === 0 ? '' : `          ${names(options).join('|')}) ${what} ;;\n`;
}

function names(options: readonly OptionOutline[]): string[] {
  return options.flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]));
}
