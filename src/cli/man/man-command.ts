/** `poold man`: the manual page, for those whose `man` does not find it. */
import type { Command } from 'commander';
import { outlineOf } from '../outline.ts';
import { packageVersion } from '../version.ts';

const EXAMPLES = `
Examples:
  $ poold man > poold.1 && man ./poold.1`;

export function addManCommand(program: Command): void {
  program
    .command('man')
    .helpGroup('For the shell:')
    .description('prints the manual page')
    .addHelpText('after', EXAMPLES)
    .action(async () => {
      const { manPage } = await import('./man-page.ts');
      process.stdout.write(manPage(outlineOf(program), packageVersion(), examplesOf(program)));
    });
}

/** The lines of each command's help that show how it is called. */
function examplesOf(program: Command): ReadonlyMap<string, readonly string[]> {
  const examples = new Map<string, readonly string[]>();
  for (const command of program.commands) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    const lines = [...help.matchAll(/^ {2}(\$ .*)$/gm)].map(([, line = '']) => line);
    if (lines.length > 0) examples.set(command.name(), lines);
  }
  return examples;
}
