import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import test from 'ava';

const UNITS = ['poold-server', 'poold-client'].map((name) => `packaging/systemd/${name}.service`);

/** What systemd says of a unit; undefined where there is no systemd. */
function verify(unit: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('systemd-analyze', ['verify', '--man=no', unit], (error, stdout, stderr) => {
      resolve((error as NodeJS.ErrnoException | null)?.code === 'ENOENT' ? undefined : stdout + stderr);
    });
  });
}

for (const unit of UNITS) {
  test(`systemd has nothing to say against ${unit}`, async (t) => {
    const said = await verify(unit);
    if (said === undefined) t.log('SKIPPED: systemd-analyze is not here');
    const ours = said?.split('\n').filter((line) => line.includes('poold'));
    t.deepEqual(ours ?? [], []);
  });
}

test('the variables that the units and the page name are those of flags', async (t) => {
  const sources = await Promise.all(['flags', 'admin-flags'].map((file) => readFile(`src/cli/${file}.ts`, 'utf8')));
  const pages = await Promise.all([...UNITS, 'docs/operations.md'].map((file) => readFile(file, 'utf8')));
  const named = new Set(pages.join('\n').match(/POOLD_(?!ERR)[A-Z_]+/g));
  t.true(named.size >= 5);
  for (const variable of named) {
    const flag = `--${variable.slice('POOLD_'.length).toLowerCase().replaceAll('_', '-')}`;
    t.true(sources.join('\n').includes(`'${flag} `), `${variable}: no ${flag}`);
  }
});
