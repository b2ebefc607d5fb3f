import { Option } from 'commander';
import test from 'ava';
import { COMMAND_ROWS, flagsOf } from '../../src/cli/command-flags.ts';
import type { Flag } from '../../src/cli/flag.ts';
import { SERVER_POOL_FLAGS } from '../../src/cli/flags.ts';
import { groupFlags, HELP } from '../../src/cli/help-groups.ts';

for (const side of ['server', 'client'] as const) {
  test(`the help of poold ${side} has each flag once, below headings that begin with where from and where to`, (t) => {
    const groups = groupFlags(COMMAND_ROWS[side]);
    const grouped = groups.flatMap(({ flags }) => flags);
    const flags = (list: readonly Flag[]): string[] => list.map((flag) => flag.flags).sort();
    t.deepEqual(flags(grouped), flags(flagsOf(COMMAND_ROWS[side])));
    t.regex(groups[0]?.heading ?? '', /from where to where/);
    t.true(groups.length >= 6);
  });
}

test('a row that no heading names stands with its table, or below Options', (t) => {
  const one: Flag = { flags: '--one', help: '' };
  t.deepEqual(groupFlags([{ one }]), [{ heading: 'Options:', flags: [one] }]);
  const { allow, maxCapacity } = SERVER_POOL_FLAGS;
  t.deepEqual(
    groupFlags([{ maxCapacity, allow }]).map(({ flags }) => flags),
    [[allow], [maxCapacity]],
  );
});

test('choices are listed where the text does not name them', (t) => {
  const level = new Option('--level <level>', 'the least (default: info)').choices(['info', 'warn']);
  t.is(HELP.optionDescription(level), 'the least (default: info) (choices: info, warn)');
  t.is(
    HELP.optionDescription(new Option('--way <way>', 'in: here; out: there').choices(['in', 'out'])),
    'in: here; out: there',
  );
});
