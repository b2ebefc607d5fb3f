import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import test from 'ava';
import { Command } from 'commander';
import { parse } from 'yaml';
import { COMMAND_ROWS, flagsOf, levelsOf } from '../../../src/cli/command-flags.ts';
import { readConfig } from '../../../src/cli/config/config-file.ts';
import { fileCommands } from '../../../src/cli/config/tunnel-commands.ts';
import { toOption } from '../../../src/cli/flag.ts';
import { balancePlan, makeBalancer } from '../../../src/cli/balance/balance-plan.ts';
import { clientTunnel, serverSettings, serverTunnel } from '../../../src/cli/settings.ts';
import { textFile } from '../../helpers/cli.ts';
import { fileSchema } from '../../../tools/schema/file-schema.ts';
import { flagSchema } from '../../../tools/schema/flag-schema.ts';

const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false });
const isValid = ajv.compile(fileSchema() as object);

/** Whether poold takes the file, as far as that can be said without starting it. */
async function isTaken(path: string): Promise<true | string> {
  try {
    const file = readConfig(path, levelsOf, { NAME: '7' });
    const typed = new Command(file.side);
    for (const flag of flagsOf(COMMAND_ROWS[file.side])) typed.addOption(toOption(flag));
    if (file.side === 'balance') {
      makeBalancer(balancePlan(typed.setOptionValueWithSource('config', path, 'cli'))).destroy();
      return true;
    }
    const { process, tunnels } = fileCommands(typed, file);
    if (file.side === 'server') await serverSettings(process);
    for (const one of tunnels.values()) await (file.side === 'server' ? serverTunnel(one) : clientTunnel(one));
    return true;
  } catch (error) {
    return String(error);
  }
}

test('the schema in the package is that of the flags', (t) => {
  const committed = JSON.parse(readFileSync('schema/poold.schema.json', 'utf8')) as unknown;
  t.deepEqual(committed, JSON.parse(JSON.stringify(fileSchema())), 'run `npm run schema`');
});

test('each option says what it is, and its default is a good value', (t) => {
  for (const side of ['server', 'client', 'balance'] as const) {
    const { process, shared, own } = levelsOf(side);
    for (const flag of [...process, ...shared, ...own]) {
      const schema = flagSchema(flag) as { readonly description: string; readonly default?: unknown };
      t.true(schema.description.startsWith(flag.help), flag.flags);
      if (schema.default !== undefined) t.true(ajv.validate(schema, schema.default), flag.flags);
    }
  }
});

/** A server of one tunnel, with a line for the whole and one for the tunnel. */
const server = (all: string, own = ''): string =>
  `server:\n  listen: 127.0.0.1:7000\n  ${all}\n  tunnels:\n    a: { public: 127.0.0.1:80 }\n    b: { public: 127.0.0.1:81, ${own} }\n`;
const client = (all: string, own = 'target: 3000'): string =>
  `client:\n  server: 127.0.0.1:7000\n  ${all}\n  tunnels:\n    a: { ${own} }\n`;

/** A balancer with some lines more. */
const balance = (lines: string): string => `balance:\n  listen: 127.0.0.1:80\n  servers: [3000]\n  ${lines}\n`;

const GOOD: readonly string[] = [
  balance(''),
  balance('timeout: 10s\n  strategy: least-in-use\n  body-limit: 1MB\n  max-header: 8KiB'),
  balance('body-limit: 0'),
  balance('health: { path: /healthz, interval: 2s, rise: 1, fall: 2 }'),
  balance('health-path: /healthz\n  health-interval: 2s'),
  balance('trusted-proxy: 10.0.0.0/8\n  max-visitors: 100\n  admin: 9090'),
  'balance: { port: 8080, server: "http://a:1, b:2" }',
  'balance: { listen: "0.0.0.0:80", servers: ["http://a", "unix:/run/app", 3000] }',
  server(''),
  server('keep-alive: 20s'),
  server('keep-alive: 0'),
  server('keep-alive: "0"'),
  server('keep-alive: ${NAME}s'),
  server('tls: 0'),
  server('tls: "0"'),
  server('max: 12'),
  server('max: "12"'),
  server('max: ${NAME}'),
  server('workers: auto'),
  server('workers: 4'),
  server('admin: 9090'),
  server('admin: "9090"'),
  server('admin: "[::1]:9090"'),
  server('token: 12345678901234567890'),
  server('allow: 10.0.0.0/8, ::1'),
  server('allow: [10.0.0.0/8, "::1, ::2"]'),
  server('visitor-deny: []'),
  server('log-level: ${NAME}').replace('${NAME}', 'debug'),
  server('', 'max-waiting: 3, visitor-rate: 0'),
  server('tokens: [{ name: a, token: x }, { token: y, expires: 2027-01-31, tunnels: [a, b] }]'),
  server('tokens: [{ token: 12345, tunnels: a }]'),
  server('publish: { ports: 8000-8999, host: 0.0.0.0, max: 5 }'),
  server('publish-ports: [8000-8999, 9443]\n  publish-host: "::"'),
  'server: { listen: "a:1", publish: { ports: "1-2", host: "0.0.0.0" } }',
  client('', 'target: 3000, publish: 8080, share: yes'),
  server('listen2: 1').replace('listen: 127.0.0.1:7000\n  listen2: 1', 'listen: unix:/run/poold'),
  server('wait: 3s').replace('b: { public: 127.0.0.1:81, ', 'b: { flow: forward, target: 3000'),
  server('flow: forward').replaceAll(/public: 127.0.0.1:8\d/g, 'target: 3000'),
  server('flow: forward')
    .replace('public: 127.0.0.1:80', 'target: 3000')
    .replace('{ public', '{ flow: reverse, public'),
  client(''),
  client('exit-on-loss: true'),
  client('exit-on-loss: "false"'),
  client('exit-on-loss: yes'),
  client('target-check: http:/healthz'),
  client('flow: forward', 'local: 5432'),
  client('', 'flow: forward, local: "127.0.0.1:5432", server: [a:1, b:2]'),
  'client: { tunnels: { "1": { server: "a:1", target: [3000, "3001,3002"] } } }',
];

const BAD: readonly string[] = [
  balance('tunnels: {}'),
  balance('port: 81'),
  balance('server: 3001'),
  balance('timout: 10s'),
  balance('timeout: 10'),
  balance('body-limit: many'),
  balance('strategy: best'),
  balance('health: { pth: / }'),
  balance('health: yes'),
  balance('max-connections: none'),
  balance('token: abc'),
  balance('grace-period: soon'),
  '',
  'servr: {}',
  '[]',
  'server: {}',
  'server: []',
  'server: { tunnels: {} }',
  'server: { tunnels: [] }',
  `${server('')}${client('')}`,
  `${server('')}other: 1\n`,
  server('keepalive: 1s'),
  server('keep-alive: 20'),
  server('keep-alive: "20"'),
  server('keep-alive: 20 s'),
  server('keep-alive: -1s'),
  server('keep-alive: [1s]'),
  server('keep-alive:'),
  server('keep-alive: { ms: 1 }'),
  server('tls: 3'),
  server('tls: [1]'),
  server('max: many'),
  server('max: -1'),
  server('max: 1.5'),
  server('max: true'),
  server('workers: 0'),
  server('workers: all'),
  server('admin: unix:/run/poold'),
  server('admin: 90900'),
  server('admin: http://127.0.0.1:9090'),
  server('log-level: loud'),
  server('tokens: []'),
  server('publish: 8080'),
  server('publish: { port: 8080 }'),
  server('publish: { ports: { a: b } }'),
  'server: { listen: "a:1", publish: { host: "0.0.0.0" } }',
  client('publish: 8080'),
  server('tokens: x'),
  server('tokens: [x]'),
  server('tokens: [{ name: a }]'),
  server('tokens: [{ token: x, file: y }]'),
  server('tokens: [{ tokn: x }]'),
  server('tokens: [{ token: [x] }]'),
  server('tokens: [{ token: x, tunnels: { a: b } }]'),
  client('tokens: [{ token: x }]'),
  server('allow: { a: b }'),
  server('allow: []'),
  server('allow: [[a]]'),
  server('allow: [null]'),
  server('public: 127.0.0.1:80'),
  server('target: 3000'),
  server('', 'public: "80"').replace('public: 127.0.0.1:81, ', ''),
  server('', 'listen: 127.0.0.1:80'),
  server('', 'token: abc'),
  server('', 'tunnels: {}'),
  server('', 'target: 3000'),
  server('', 'flow: forward, target: 3000'),
  server('', 'flow: sideways'),
  server('flow: forward').replace('public: 127.0.0.1:80', 'target: 3000'),
  'server: { listen: "a:1", tunnels: { a: 80 } }',
  'server: { listen: "a:1", tunnels: { a: } }',
  client('exit-on-loss: maybe'),
  client('exit-on-loss: 1'),
  client('listen: 127.0.0.1:80'),
  client('', 'target: 3000, wait: 3s'),
  client('', 'target: 3000, flow: forward, local: 80'),
];

for (const [verdict, texts] of [
  ['takes', GOOD],
  ['refuses', BAD],
] as const) {
  for (const text of texts) {
    test(`poold ${verdict} ${JSON.stringify(text)}, and so does the schema`, async (t) => {
      const taken = await isTaken(await textFile(t, text));
      t.is(taken === true, verdict === 'takes', String(taken));
      t.is(isValid(parse(text)), verdict === 'takes', ajv.errorsText(isValid.errors));
    });
  }
}

for (const name of ['server', 'client', 'balance']) {
  test(`the example of a ${name} is good, and names the schema`, async (t) => {
    const path = `examples/${name}.yaml`;
    const text = readFileSync(path, 'utf8');
    t.true(isValid(parse(text)), ajv.errorsText(isValid.errors));
    t.true(text.startsWith('# yaml-language-server: $schema=../schema/poold.schema.json\n'));
    const token = await textFile(t, 'a token that is long enough');
    t.is(await isTaken(await textFile(t, text.replace('token.txt', token))), true);
  });
}

test('what a schema cannot know, poold says', async (t) => {
  for (const text of [
    'balance: {}',
    // Limits, which options there must be or may not be together, variables, and how a number is written.
    server('workers: 500'),
    server('token: a\n  token-file: b'),
    server('max: 0x10'),
    client('').replace('target: 3000', 'min: 1'),
    server('max: ${MISSING}'),
  ]) {
    t.true(isValid(parse(text)), text);
    t.not(await isTaken(await textFile(t, text)), true, text);
  }
});
