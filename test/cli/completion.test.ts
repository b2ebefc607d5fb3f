import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Command } from 'commander';
import { bashScript } from '../../src/cli/completion/bash.ts';
import { fishScript } from '../../src/cli/completion/fish.ts';
import { zshScript } from '../../src/cli/completion/zsh.ts';
import { outlineOf, type ProgramOutline } from '../../src/cli/outline.ts';
import { runCli } from '../helpers/cli.ts';

/** A shell that is asked for completions: reads the script, then says what it has for a line, one each. */
interface Shell {
  readonly args: (script: string, line: string, folder: string) => readonly string[];
  /** How it shows what completes `--flag=va`. */
  readonly joined: (flag: string, value: string) => string;
}

/** bash's own words of a line: `=` is one. */
const bashWords = (line: string): string[] => line.split(/ |(=)/).filter((word) => word !== undefined);

/**
 * Completion in zsh wants a terminal: one of its own, in which the line is completed as soon as there is a prompt. All
 * matches are written down on their way to the screen.
 */
const ZSHRC = `
autoload -Uz compinit && compinit -u -D
source $SCRIPT
cd $FOLDER/here
compadd() {
  # With -O, -A or -D it only counts.
  if [[ " \${@[1,(i)(-|--)]} " != *' '-(O|A|D)' '* ]]; then
    local -a hits
    builtin compadd -O hits "$@"
    (( $#hits )) && print -rl -- $hits >> $FOLDER/matches
  fi
  builtin compadd "$@"
}
answer() {
  BUFFER=$LINE CURSOR=$#LINE
  zle complete-word
  : > $FOLDER/done
  exit
}
zle -N zle-line-init answer
`;
const ZSH = `
export SCRIPT=$1 FOLDER=$3 LINE=$2 ZDOTDIR=$3
zmodload zsh/zpty
zpty inner zsh -d -i
while zpty -r inner line; do :; done
[[ -e $3/done ]] && { cat $3/matches 2> /dev/null || true }
`.replaceAll('\\$', '$');

const SHELLS: Readonly<Record<string, Shell>> = {
  bash: {
    args: (script, line, folder) => [
      '--norc',
      '--noprofile',
      '-c',
      `source "$0"; cd "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _poold 2> /dev/null
       [[ \${#COMPREPLY[@]} -eq 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"`,
      script,
      join(folder, 'here'),
      ...bashWords(line),
    ],
    joined: (_, value) => value,
  },
  zsh: {
    args: (script, line, folder) => ['-f', '-c', ZSH, 'zsh', script, line, folder],
    joined: (_, value) => value,
  },
  fish: {
    args: (script, line, folder) => [
      '--no-config',
      '-c',
      'source $argv[1]; cd $argv[3]; complete -C $argv[2] | string split -f 1 \\t; true',
      script,
      line,
      join(folder, 'here'),
    ],
    joined: (flag, value) => `${flag}=${value}`,
  },
};

const WRITERS: Readonly<Record<string, (program: ProgramOutline) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** What completes each line: all of it, sorted. */
const LINES: readonly [line: string, completions: readonly string[] | ((shell: Shell) => readonly string[])][] = [
  ['poold s', ['server', 'status']],
  ['poold server --flow', ['--flow', '--flow-idle-timeout']],
  ['poold client --tls ', ['0', '1', '2']],
  ['poold client --flow=f', ({ joined }) => [joined('--flow', 'forward')]],
  ['poold client --log-level debug --log-format p', ['pretty']],
  ['poold client --exit-on-loss y', ['yes']],
  ['poold client --exit-on-loss --fin', ['--fingerprint']],
  ['poold client --server ', []],
  ['poold client --tunnel server --prox', ['--proxy']],
  ['poold token s', []],
  ['poold status --wa', ['--watch']],
  ['poold completion ', ['bash', 'fish', 'zsh']],
  ['poold help cli', ['client']],
  ['poold client --token-file to', ['token.txt', 'tokens of old/']],
  ['poold cert --out to', ['tokens of old/']],
  ['poold client --token $(touch ran) --fin', ['--fingerprint']],
];

/** What a shell prints; undefined where it is not here. */
function ask(shell: string, args: readonly string[]): Promise<string[] | undefined> {
  return new Promise((resolve, reject) => {
    execFile(shell, args, { timeout: 20_000 }, (error, stdout, stderr) => {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') resolve(undefined);
      else if (error !== null) reject(new Error(stderr, { cause: error }));
      else resolve(stdout.split('\n').filter(Boolean));
    });
  });
}

/** Asks a shell that has read the script for each line's completions. */
async function completes(t: ExecutionContext, name: string, text: string, lines: typeof LINES): Promise<void> {
  const shell = SHELLS[name] as Shell;
  for (const [line, completions] of lines) {
    const folder = await mkdtemp(join(tmpdir(), 'poold-completion-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const script = join(folder, 'script');
    await writeFile(script, text);
    await writeFile(join(folder, '.zshrc'), ZSHRC);
    await mkdir(join(folder, 'here', 'tokens of old'), { recursive: true });
    await writeFile(join(folder, 'here', 'token.txt'), '');
    const found = await ask(name, shell.args(script, line, folder));
    if (found === undefined) {
      t.log(`SKIPPED: ${name} is not here`);
      return;
    }
    // Folders have a / in some shells, and spaces a backslash.
    const bare = (names: readonly string[]): string[] => names.map((one) => one.replaceAll(/\/$|\\/g, '')).sort();
    const wanted = typeof completions === 'function' ? completions(shell) : completions;
    t.deepEqual(bare([...new Set(found)]), bare(wanted), line);
    t.deepEqual((await readdir(join(folder, 'here'))).sort(), ['token.txt', 'tokens of old'], 'nothing was run');
  }
}

for (const name of Object.keys(SHELLS)) {
  test(`${name} completes commands, flags, their values and files`, async (t) => {
    const { code, stdout } = await runCli(['completion', name]);
    t.is(code, 0);
    await completes(t, name, stdout, LINES);
  });

  test(`${name} completes a file that is an argument, and one behind a flag of one letter`, async (t) => {
    const program = new Command('poold');
    program
      .command('check')
      .argument('<file>')
      .option('-c, --config <file>', "it's [one]: $HOME")
      .option('--mode <mode>');
    await completes(t, name, WRITERS[name]?.(outlineOf(program)) ?? '', [
      ['poold check to', ['token.txt', 'tokens of old/']],
      ['poold check -c to', ['token.txt', 'tokens of old/']],
      ['poold check --mode ', []],
      ['poold check --co', ['--config']],
    ]);
  });
}

test('a shell that is none is refused with those that are', async (t) => {
  const { code, stderr } = await runCli(['completion', 'tcsh']);
  t.is(code, 2);
  t.regex(stderr, /bash, zsh, fish/);
});
