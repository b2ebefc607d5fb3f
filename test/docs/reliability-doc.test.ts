import { readdir, readFile } from 'node:fs/promises';
import test from 'ava';

// ava runs in the project's root.
const page = await readFile('docs/reliability.md', 'utf8');

/** What a cell names: a file below test, and the parts of titles that follow it. */
const NAMED = /`([\w/-]+)`: (“[^”]+”(?:, “[^”]+”)*)/g;

test('every test that the page names is there', async (t) => {
  let named = 0;
  for (const [, file = '', titles = ''] of page.matchAll(NAMED)) {
    const code = await readFile(`test/${file}.test.ts`, 'utf8');
    for (const [, title = ''] of titles.matchAll(/“([^”]+)”/g)) {
      named += 1;
      t.true(code.includes(title), `${file} has no test “${title}”`);
    }
  }
  t.true(named > 30);
});

test('every scenario of the fault suite is on the page', async (t) => {
  const files = (await readdir('test/faults')).filter((file) => file.endsWith('.test.ts'));
  // The proxy's own test is no scenario.
  const scenarios = files.filter((file) => file !== 'fault-proxy.test.ts');
  for (const file of scenarios) t.true(page.includes(`\`faults/${file.replace('.test.ts', '')}\``), file);
});
