import test from 'ava';
import { type Levels, readConfig, type Side } from '../../../src/cli/config/config-file.ts';
import type { Flag } from '../../../src/cli/flag.ts';
import { textFile } from '../../helpers/cli.ts';

const LISTEN: Flag = { flags: '--listen <host:port>', help: '' };
const MAX: Flag = { flags: '--max <n>', help: '', parse: Number };
const PUBLIC: Flag = { flags: '--public <host:port>', help: '' };
const SERVER: Flag = { flags: '--server <address>', help: '', repeatable: true };

const PORT: Flag = { ...LISTEN, alias: 'port' };

const LEVELS: Readonly<Record<Side, Levels>> = {
  server: { process: [LISTEN], shared: [MAX], own: [PUBLIC] },
  client: { process: [], shared: [SERVER, MAX], own: [] },
  balance: { process: [PORT, MAX], shared: [], own: [] },
};
const read = (path: string, env = {}) => readConfig(path, (side) => LEVELS[side], env);

test('a server and its tunnels, with what holds for all of them', async (t) => {
  const path = await textFile(
    t,
    'server:\n  listen: ${HOST}:7000\n  max: 8\n  tunnels:\n    web: { public: ":80" }\n    db: { public: ":5432", max: 2 }\n',
  );
  const { side, common, tunnels } = read(path, { HOST: '0.0.0.0' });
  t.is(side, 'server');
  t.deepEqual([common.get(LISTEN)?.value, common.get(MAX)?.value], ['0.0.0.0:7000', 8]);
  t.deepEqual([...tunnels.keys()], ['web', 'db']);
  t.deepEqual(tunnels.get('db')?.section.get(MAX), { value: 2, place: { line: 6, path: 'server.tunnels.db.max' } });
});

test('a balancer has options alone, one of them by two names', async (t) => {
  const { side, common, tunnels } = read(await textFile(t, 'balance:\n  port: 8080\n  max: 3\n'));
  t.deepEqual([side, common.get(PORT)?.value, common.get(MAX)?.value, tunnels.size], ['balance', '8080', 3, 0]);
});

const WRONG: readonly [what: string, yaml: string, problems: readonly string[]][] = [
  ['an empty file', '# nothing\n', [': is empty; it wants server:, client: or balance: on top']],
  [
    'one option by both names',
    'balance:\n  port: 80\n  listen: a:80\n',
    [':3 balance.listen: stands beside balance.port, which is the same'],
  ],
  ['tunnels of a balancer', 'balance: { tunnels: {} }', [':1 balance.tunnels: is not known here']],
  ['a list', '- a\n', [':1: wants server:, client: or balance: on top']],
  ['both commands', 'server: { tunnels: { a: {} } }\nclient: {}\n', [':2 client: stands beside server:']],
  ['a key beside them', 'servr: {}\n', [':1 servr: is not known here; on top stands']],
  ['no tunnels', 'client:\n  server: a:1\n', [':1 client: has no tunnels']],
  ['a tunnel without options', 'client:\n  tunnels:\n    web: 3000\n', [':3 client.tunnels.web: wants options']],
  [
    'a key at the wrong place',
    'server:\n  public: ":80"\n  tunnels:\n    web:\n      listen: a:1\n',
    [':2 server.public: is not known here', ':5 server.tunnels.web.listen: is not known here'],
  ],
  ['what is no YAML', 'server: [\n', [':2']],
];

for (const [what, yaml, problems] of WRONG) {
  test(`${what} is refused with its place`, async (t) => {
    const path = await textFile(t, yaml);
    const { message } = t.throws<Error>(() => read(path), { code: 'POOLD_ERR_CONFIG' });
    const lines = message.split('\n');
    t.is(lines.length, problems.length, message);
    for (const [at, problem] of problems.entries()) t.true(lines[at]?.startsWith(path + problem), lines[at]);
  });
}

test('a file that is not there is said', (t) => {
  t.throws(() => read('/nowhere/poold.yaml'), { message: /^\/nowhere\/poold\.yaml: cannot be read \(ENOENT/ });
});
