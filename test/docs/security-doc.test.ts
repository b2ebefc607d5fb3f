import { readFile } from 'node:fs/promises';
import test from 'ava';
import { MAX_SERVERS } from '../../src/shared/group/name-lookup.ts';
import { MAX_EARLY_BYTES } from '../../src/shared/session/visit.ts';
import { FrameType, payloadLimit } from '../../src/shared/wire/frame.ts';

// ava runs in the project's root.
const page = await readFile('docs/security.md', 'utf8');

/** A row of the table of cases: its number, and the files that cover it. */
const ROWS = [...page.matchAll(/^\| (\d+) +\|.*\|([^|]*)\|$/gm)].map(([, number = '', files = '']) => ({
  number,
  files: [...files.matchAll(/`([\w/-]+)`/g)].map(([, file = '']) => file),
}));

test('every case has tests that bear its number, in each file that the page names', async (t) => {
  t.true(ROWS.length >= 21);
  for (const { number, files } of ROWS) {
    t.true(files.length > 0, `case ${number}`);
    let named = 0;
    for (const file of files) {
      const code = await readFile(`test/${file}.test.ts`, 'utf8');
      if (code.includes(`case ${number}: `)) named += 1;
      else t.true(file.startsWith('fuzz/'), `${file} has no test of case ${number}`);
    }
    t.true(named > 0, `case ${number}`);
  }
});

test('the flags and the tests that the page names are there', async (t) => {
  const tables = ['flags', 'visitor-flags', 'target-flags'].map((name) => readFile(`src/cli/${name}.ts`, 'utf8'));
  const help = (await Promise.all(tables)).join('');
  for (const [, flag = ''] of page.matchAll(/`(--[a-z-]+)`/g)) t.true(help.includes(`'${flag} `), flag);
  for (const [, file = ''] of page.matchAll(/`((?:fuzz|e2e|shared|faults)\/[\w/-]+)`/g)) {
    await t.notThrowsAsync(readFile(`test/${file}.test.ts`), file);
  }
});

test('the limits that the page calls fixed are those of the code', (t) => {
  const kib = (bytes: number): string => `${bytes / 1024} KiB`;
  const fixed = new Map(
    [...page.matchAll(/^\| ([^|]+?) +\| fixed[^|]*\| ([^|]+?) +\|$/gm)].map(([, limit, is]) => [limit, is]),
  );
  const of = (type: number): string => kib(payloadLimit(type));
  const { data, hello, open, challenge } = FrameType;
  t.is(fixed.get('one frame'), `DATA ${of(data)}, HELLO ${of(hello)}, OPEN ${of(open)}, others ${of(challenge)}`);
  t.is(fixed.get("a visit's bytes before OPENED"), kib(MAX_EARLY_BYTES));
  t.is(fixed.get('servers that a name in the DNS stands for'), `${MAX_SERVERS}`);
  t.is(fixed.size, 5);
});
