import { readFileSync } from 'node:fs';
import test from 'ava';
import * as names from '../../src/request.ts';
import { startChild } from '../helpers/child.ts';

const page = readFileSync('docs/requests.md', 'utf8');
const entry = new URL('../../src/request.js', import.meta.url).href;

test('the example of a codec prints what it should', async (t) => {
  const [, , code = ''] = page.split('```js\n');
  const module = (code.split('```')[0] ?? '').replace("'poold/request'", `'${entry}'`);
  await using child = startChild(process.execPath, ['--input-type=module', '-e', module]);
  t.is(await child.ended(), 0, child.output);
  t.is(child.output, "[ 'ONE', 'TWO', 'THREE' ]\n");
});

test('every error of requests is in the page, by its class', (t) => {
  const classes = Object.keys(names).filter((name) => /(?:Request|Lost|Timeout|Resource)\w*Error$/.test(name));
  t.true(classes.length >= 6);
  for (const name of classes.filter((one) => one !== 'RequestError' && one !== 'AcquireTimeoutError')) {
    t.true(page.includes(`\`${name}\``), name);
  }
  const codes = readFileSync('src/shared/request/request-errors.ts', 'utf8').match(/POOLD_ERR_\w+/g) ?? [];
  t.true(codes.length >= 5);
  for (const code of codes) t.true(page.includes(`\`${code}\``), code);
});
