import { readFile } from 'node:fs/promises';
import test from 'ava';
import { MAX_SERVERS } from '../../src/shared/group/name-lookup.ts';
import { MAX_PEEK_BYTES } from '../../src/shared/net/host-name.ts';
import { MAX_REST_BYTES } from '../../src/shared/net/proxy-header.ts';
import { MAX_EARLY_BYTES } from '../../src/shared/session/visit.ts';
import { PREFACE_TIMEOUT_MS } from '../../src/shared/tunnel/preface.ts';
import { MAX_READING, MAX_READING_PER_ADDRESS } from '../../src/shared/tunnel/public-listener.ts';
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
  const names = ['flags', 'visitor-flags', 'publish-flags', 'target-flags', 'balance/balance-flags'];
  const sources = names.map((file) => readFile(`src/cli/${file}.ts`, 'utf8'));
  const help = (await Promise.all(sources)).join('\n');
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
  t.is(fixed.get('visitors being read for host or header'), `${MAX_READING}`);
  t.is(fixed.get('the same of one address'), `${MAX_READING_PER_ADDRESS}`);
  t.is(fixed.get('from accept until all of it is said'), `${PREFACE_TIMEOUT_MS / 1000} s`);
  t.is(fixed.get('first bytes read for a host'), kib(MAX_PEEK_BYTES));
  t.is(fixed.get('a PROXY header behind its first 16 bytes'), kib(MAX_REST_BYTES));
  t.is(fixed.size, 10);
});
