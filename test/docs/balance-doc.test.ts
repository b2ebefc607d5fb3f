import { readFileSync } from 'node:fs';
import test from 'ava';
import { COMMAND_ROWS, flagsOf } from '../../src/cli/command-flags.ts';
import { keysOf, NESTED } from '../../src/cli/config/section.ts';

// ava runs in the project's root.
const page = readFileSync('docs/balance.md', 'utf8');
const flags = flagsOf(COMMAND_ROWS.balance);
const keys = new Map(flags.flatMap((flag) => keysOf(flag).map((key) => [key, flag])));

test('the limits of the page are options with these defaults', (t) => {
  const rows = [...page.matchAll(/^\| [^|]+ \| `([\w-]+)`[^|]* \| ([^|]+?) +\|/gm)];
  t.true(rows.length >= 9);
  for (const [, key = '', shown = ''] of rows) {
    const flag = keys.get(key);
    t.truthy(flag, key);
    const plain = shown.replace('none', '0').replace(' …', '').replace(' ', '');
    t.is(flag?.default, plain, key);
  }
});

test('the file on the page has keys that are there', (t) => {
  const [yaml = ''] = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, code]) => code ?? '');
  const named = [...yaml.matchAll(/^ {2}([\w-]+):/gm)].map(([, key = '']) => key);
  t.true(named.length >= 5);
  for (const key of named) t.true(keys.has(key) || NESTED.includes(key), key);
});
