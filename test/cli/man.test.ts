import { execFile } from 'node:child_process';
import test from 'ava';
import { COMMAND_ROWS, flagsOf } from '../../src/cli/command-flags.ts';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { keyOf } from '../../src/cli/flag.ts';
import { escaped, prose, term } from '../../src/cli/man/roff.ts';
import { runCli, textFile } from '../helpers/cli.ts';

test('what troff would read as its own is shown as it is', (t) => {
  t.is(escaped(".SH\n'no' a\\b --c"), "\\&.SH\n\\&'no' a\\eb \\-\\-c");
  t.is(prose(`${'word '.repeat(15)}.end`), `${'word '.repeat(13).trim()}\nword word .end`);
  t.is(prose(`${'word '.repeat(13)}.end of it`), `${'word '.repeat(13).trim()}\n\\&.end of it`);
  t.is(term('-c, --config <file>'), '\\fB\\-c, \\-\\-config\\fR \\fIfile\\fR');
  t.is(term('--exit-on-loss [yes|no]'), '\\fB\\-\\-exit\\-on\\-loss\\fR [\\fIyes|no\\fR]');
});

/** What a checker of manual pages says; undefined where there is none. */
function lint(command: string, args: readonly string[]): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, (error, stdout, stderr) => {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') resolve(undefined);
      else resolve((stdout + stderr).split('\n').filter(Boolean));
    });
  });
}

test('the manual page has every part, command, flag and exit code, and nobody complains of its form', async (t) => {
  const { code, stdout } = await runCli(['man']);
  t.is(code, 0);
  const sections = [...stdout.matchAll(/^\.SH (.*)$/gm)].map(([, title]) => title);
  const order = 'NAME SYNOPSIS DESCRIPTION COMMANDS ENVIRONMENT FILES SIGNALS EXIT_STATUS EXAMPLES SEE_ALSO';
  t.deepEqual(sections, order.replaceAll('_', ' ').split(/ (?!STATUS|ALSO)/));
  for (const side of ['server', 'client'] as const) {
    const [, part = ''] = stdout.split(`.SS poold ${side}\n`);
    const [flags = ''] = part.split(/^\.S[SH] /m);
    for (const flag of flagsOf(COMMAND_ROWS[side])) {
      t.regex(
        flags,
        new RegExp(`^\\.TP\\n\\\\fB.*${escaped(`--${keyOf(flag)}`).replaceAll('\\', '\\\\')}\\\\fR.*\\n.`, 'm'),
      );
    }
  }
  for (const exit of Object.values(ExitCode)) t.true(stdout.includes(`.TP\n\\fB${exit}\\fR\n`), `${exit}`);
  t.true(stdout.includes('$ poold client \\-\\-server'), 'examples of the help');
  const path = await textFile(t, stdout);
  for (const [command, ...args] of [
    ['mandoc', '-Tlint', path],
    ['groff', '-ww', '-man', '-Tutf8', '-z', path],
  ]) {
    const said = await lint(command ?? '', args);
    if (said === undefined) t.log(`SKIPPED: ${command} is not here`);
    // It has none, so that the same version is the same page.
    t.deepEqual(said?.filter((line) => !line.includes('missing date')) ?? [], []);
  }
});
