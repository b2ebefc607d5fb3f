/** `poold completion`: a script that teaches a shell the commands, flags and choices of this very version. */
import { Argument, type Command } from 'commander';
import { outlineOf, type ProgramOutline } from '../outline.ts';

const WRITERS: Readonly<Record<string, () => Promise<(program: ProgramOutline) => string>>> = {
  bash: async () => (await import('./bash.ts')).bashScript,
  zsh: async () => (await import('./zsh.ts')).zshScript,
  fish: async () => (await import('./fish.ts')).fishScript,
};

const EXAMPLES = `
Examples:
  $ source <(poold completion bash)                                     # for this shell; in ~/.bashrc for all
  $ source <(poold completion zsh)                                      # likewise, after compinit
  $ poold completion fish > ~/.config/fish/completions/poold.fish`;

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .helpGroup('For the shell:')
    .description('prints a script by which a shell completes commands, flags and their values')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(WRITERS)))
    .addHelpText('after', EXAMPLES)
    .action(async (shell: string) => {
      const write = await WRITERS[shell]?.();
      if (write !== undefined) process.stdout.write(write(outlineOf(program)));
    });
}
