/** Completion in zsh: a file for its function path, or a script to be sourced after compinit. */
import { type CommandOutline, type OptionOutline, type ProgramOutline, takesPath } from '../outline.ts';

export function zshScript({ name, options, commands }: ProgramOutline): string {
  return `#compdef ${name}
# zsh completion for ${name}; made by: ${name} completion zsh
_${name}() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map((command) => `      ${quoted(`${command.name}:${command.help}`)}\n`).join('')}    )
    _describe -t commands command commands
    _arguments ${options.map(optionSpec).join(' ')}
    return
  fi
  local command=$words[2]
  words=("$words[1]" "\${(@)words[3,-1]}")
  (( CURRENT-- ))
  case $command in
${commands.map(commandCase).join('')}  esac
}
if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function commandCase({ name, options, choices, takesFile }: CommandOutline): string {
  const first = takesFile ? '_files' : `(${choices.join(' ')})`;
  const specs = [...options.map(optionSpec), ...(takesFile || choices.length > 0 ? [`'1: :${first}'`] : [])];
  return `    ${name})
      _arguments -s -S \\
        ${specs.join(' \\\n        ')}
      ;;
`;
}

/** `'*--tls=[0 none, …]:mode:(0 1 2)'`: as often as it is wanted, for some may be repeated. */
function optionSpec(option: OptionOutline): string {
  const { long, short, value, mayStandAlone } = option;
  const values = value === undefined ? '' : `:${mayStandAlone ? ':' : ''}${escaped(value)}:${action(option)}`;
  const names = value === undefined ? [long, short] : [`${long}=`, short === undefined ? undefined : `${short}+`];
  return names
    .filter((name) => name !== undefined)
    .map((name) => quoted(`*${name}[${escaped(option.help)}]${values}`))
    .join(' ');
}

function action(option: OptionOutline): string {
  if (option.choices.length > 0) return `(${option.choices.join(' ')})`;
  if (!takesPath(option)) return ' ';
  return option.value === 'folder' ? '_files -/' : '_files';
}

/** For a description or a message of _arguments. */
function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, String.raw`\$&`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
