import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { AGENT } from '../../src/client/agent.ts';
import { runCli, textFile } from '../helpers/cli.ts';

const TOKEN = 'a token that is long enough';
const SERVER = ['server', '--listen', '127.0.0.1:0', '--public', '127.0.0.1:0'];
const CLIENT = ['client', '--server', '127.0.0.1:7000', '--target', '3000'];
const FORWARD_CLIENT = ['client', '--server', '127.0.0.1:7000', '--flow', 'forward', '--local', '127.0.0.1:0'];
const version = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

interface Misuse {
  readonly title: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly says: RegExp;
}

const misuses: readonly Misuse[] = [
  { title: 'no command', args: [], says: /Usage: poold/ },
  { title: 'an unknown command', args: ['serve'], says: /unknown command 'serve'/ },
  { title: 'a misspelt flag', args: [...SERVER, '--keepalive', '5s'], says: /--keepalive.*\n.*--keep-alive/ },
  { title: 'a missing flag', args: ['server', '--listen', '127.0.0.1:0'], says: /--public/ },
  {
    title: 'a reverse tunnel with the flag of a forward one',
    args: [...SERVER, '--target', '3000'],
    says: /--target: has no place in a reverse tunnel/,
  },
  ...['--server-strategy=failover', '--wait=1s', '--max-waiting=3', '--local=127.0.0.1:0'].map((flag) => ({
    title: `${flag} where visitors come in at the server`,
    args: [...CLIENT, flag],
    says: /: has no place in a reverse tunnel; see --flow/,
  })),
  ...['--client-strategy=failover', '--wait=1s', '--max-waiting=3', '--public=127.0.0.1:0'].map((flag) => ({
    title: `${flag} where visitors come in at the client`,
    args: ['server', '--listen', '127.0.0.1:0', '--flow', 'forward', '--target', '3000', flag],
    says: /: has no place in a forward tunnel; see --flow/,
  })),
  {
    title: 'a time for targets at the client of a forward tunnel',
    args: [...FORWARD_CLIENT, '--connect-timeout', '1s'],
    says: /--connect-timeout: has no place in a forward tunnel/,
  },
  {
    title: 'a time for targets at the server of a reverse tunnel',
    args: [...SERVER, '--connect-timeout', '1s'],
    says: /--connect-timeout: has no place in a reverse tunnel/,
  },
  {
    title: 'a number of visitors that is none',
    args: [...FORWARD_CLIENT, '--max-waiting', 'some'],
    says: /--max-waiting.*some/,
  },
  {
    title: 'a forward tunnel without a target',
    args: ['server', '--listen', '127.0.0.1:0', '--flow', 'forward'],
    says: /--target: is missing; a forward tunnel wants it/,
  },
  {
    title: 'a forward tunnel that wants a local address',
    args: ['client', '--server', '127.0.0.1:7000', '--flow', 'forward'],
    says: /--local: is missing/,
  },
  { title: 'a flow that is none', args: [...SERVER, '--flow', 'sideways'], says: /--flow.*reverse, forward/ },
  {
    title: 'a listen address without a host',
    args: ['server', '--listen', '7000', '--public', '127.0.0.1:0'],
    says: /--listen/,
  },
  { title: 'a duration without a unit', args: [...SERVER, '--keep-alive', '30'], says: /--keep-alive.*30/ },
  { title: 'a rate without a unit', args: [...SERVER, '--upload-limit', '10'], says: /--upload-limit.*10MB\/s/ },
  {
    title: 'a rate that is next to none',
    args: [...CLIENT, '--download-limit', '1B/s'],
    says: /--download-limit: .*1024/,
  },
  { title: 'the same in the environment', args: SERVER, env: { POOLD_KEEP_ALIVE: '30' }, says: /POOLD_KEEP_ALIVE/ },
  { title: 'a number that is none', args: [...CLIENT, '--min', 'many'], says: /--min.*many/ },
  { title: 'min above max', args: [...CLIENT, '--min', '9', '--max', '8'], says: /--min: 9 is above --max 8/ },
  {
    title: 'min from the environment above max',
    args: [...CLIENT, '--max', '8'],
    env: { POOLD_MIN: '9' },
    says: /POOLD_MIN: 9 is above --max 8/,
  },
  { title: 'a flag given twice', args: [...CLIENT, '--min', '1', '--min', '2'], says: /--min.*twice/ },
  { title: 'a switch given twice', args: [...CLIENT, '--exit-on-reject', '--exit-on-reject'], says: /reject.*twice/ },
  {
    title: 'a switch that is neither on nor off',
    args: CLIENT,
    env: { POOLD_EXIT_ON_REJECT: '0' },
    says: /POOLD_EXIT_ON_REJECT.*yes nor no/,
  },
  { title: 'a TLS mode that is none', args: [...SERVER, '--tls', '3'], says: /--tls.*0, 1, 2/ },
  { title: 'mode 2 without a certificate', args: [...SERVER, '--tls', '2'], says: /--cert/ },
  {
    title: 'a certificate without TLS',
    args: [...SERVER, '--tls', '0', '--cert', '/nowhere', '--key', '/nowhere'],
    says: /--cert: has no effect in mode 0/,
  },
  {
    title: 'a certificate that is not there',
    args: [...SERVER, '--tls', '2', '--key', '/nowhere'],
    env: { POOLD_CERT: '/nowhere' },
    says: /POOLD_CERT and --key: \/nowhere/,
  },
  {
    title: 'a client certificate where no server asks for one',
    args: [...CLIENT, '--cert', '/nowhere', '--key', '/nowhere'],
    says: /--cert: has no effect in mode 1, where servers ask for no client certificate; use mode 2/,
  },
  {
    title: 'half a client certificate',
    args: [...CLIENT, '--tls', '2', '--cert', '/nowhere'],
    says: /--key: is missing/,
  },
  {
    title: 'a client certificate that is not there',
    args: [...CLIENT, '--tls', '2', '--cert', '/nowhere'],
    env: { POOLD_KEY: '/nowhere' },
    says: /--cert and POOLD_KEY: \/nowhere/,
  },
  {
    title: 'authorities of clients in mode 1',
    args: [...SERVER, '--client-ca', fileURLToPath(import.meta.url)],
    says: /--client-ca: has no effect in mode 1/,
  },
  {
    title: 'authorities of clients that are not there',
    args: [...SERVER, '--tls', '2', '--client-ca', '/nowhere'],
    says: /--client-ca: \/nowhere cannot be read/,
  },
  { title: 'certificates without a folder', args: ['cert', '--host', 'a'], says: /--out/ },
  {
    title: 'certificates for no days',
    args: ['cert', '--out', '/nowhere', '--host', 'a', '--days', '0'],
    says: /--days.*1 to 3650/,
  },
  {
    title: 'a new authority without a server',
    args: ['cert', '--out', '/nowhere', '--client', 'a'],
    says: /--host: is missing; a new authority/,
  },
  { title: 'a CA without mode 2', args: [...CLIENT, '--fingerprint', 'xyz'], says: /--fingerprint/ },
  {
    title: 'an allow list with a bad entry',
    args: [...SERVER, '--allow', '10.0.0.0/64'],
    says: /--allow.*10\.0\.0\.0\/64/,
  },
  {
    title: 'one of several targets that is none',
    args: ['client', '--server', '127.0.0.1:7000', '--target', '3000,nowhere'],
    says: /--target: "nowhere" has no port/,
  },
  {
    title: 'a target twice, in the environment',
    args: ['client', '--server', '127.0.0.1:7000'],
    env: { POOLD_TARGET: '3000, 127.0.0.1:3000' },
    says: /POOLD_TARGET: 127\.0\.0\.1:3000 is given twice/,
  },
  {
    title: 'a check of targets that is none',
    args: [...CLIENT, '--target-check', 'http://a/b'],
    says: /--target-check.*neither off, tcp nor/,
  },
  { title: 'a path with a space', args: [...CLIENT, '--target-check', 'http:/a b'], says: /--target-check: .*path/ },
  { title: 'a target strategy that is none', args: [...CLIENT, '--target-strategy', 'random'], says: /round-robin/ },
  {
    title: 'too many connections kept ready',
    args: [...CLIENT, '--target-warm', '9999'],
    says: /--target-warm: wants a whole number from 0 to 1024/,
  },
  {
    title: 'no failed check for down',
    args: CLIENT,
    env: { POOLD_TARGET_CHECK_FALL: '0' },
    says: /POOLD_TARGET_CHECK_FALL: wants/,
  },
  {
    title: 'connections kept ready to no target',
    args: [...SERVER, '--target-warm', '2'],
    says: /--target-warm: has no place in a reverse tunnel/,
  },
  { title: 'an empty token by flag', args: [...SERVER, '--token', ''], says: /--token.*empty/ },
  { title: 'an empty token by environment', args: SERVER, env: { POOLD_TOKEN: '' }, says: /POOLD_TOKEN: is empty/ },
  {
    title: 'an empty token by environment beside a file',
    args: [...SERVER, '--token-file', '/nowhere'],
    env: { POOLD_TOKEN: '' },
    says: /POOLD_TOKEN: is empty/,
  },
  {
    title: 'a token file that is not there',
    args: [...SERVER, '--token-file', '/nowhere'],
    says: /--token-file.*\/nowhere/,
  },
  {
    title: 'no token beyond loopback',
    args: ['server', '--listen', '0.0.0.0:0', '--public', '127.0.0.1:0'],
    says: /--token.*missing/,
  },
  {
    title: 'a short token beyond loopback',
    args: ['server', '--listen', '0.0.0.0:0', '--public', '127.0.0.1:0'],
    env: { POOLD_TOKEN: 'short' },
    says: /POOLD_TOKEN.*16 characters/,
  },
  {
    title: 'a short token to a server elsewhere',
    args: ['client', '--server', '192.0.2.1:7000', '--target', '3000', '--token', 'short'],
    says: /--token.*16/,
  },
  { title: 'a proxy without a scheme', args: [...CLIENT, '--proxy', 'proxy:3128'], says: /--proxy: wants http:\/\// },
  {
    title: 'such a proxy in the environment',
    args: CLIENT,
    env: { POOLD_PROXY: 'proxy:3128' },
    says: /POOLD_PROXY: wants/,
  },
  { title: 'an empty proxy in the environment', args: CLIENT, env: { POOLD_PROXY: '' }, says: /POOLD_PROXY: wants/ },
  {
    title: 'a proxy on the way to a unix socket',
    args: ['client', '--server', 'unix:/run/poold', '--target', '3000', '--proxy', 'http://proxy:3128'],
    says: /--proxy: cannot reach a unix socket/,
  },
  {
    title: "no token to a proxy's own machine",
    args: [...CLIENT, '--proxy', 'socks5://proxy'],
    says: /--token-file: is missing, and 127\.0\.0\.1 is the proxy's own machine/,
  },
];

for (const { title, args, env, says } of misuses) {
  test(`exit 2 and one clear message: ${title}`, async (t) => {
    const { code, stdout, stderr } = await runCli(args, env);
    t.is(code, 2, stderr);
    t.regex(stderr, says);
    t.notRegex(stderr, / {4}at /, 'no stack');
    t.is(stdout, '');
  });
}

test('case 6: an empty token file, a short token in one, and two ways of giving a token, are refused', async (t) => {
  const empty = await textFile(t, '\n  \n');
  const first = await runCli([...SERVER, '--token-file', empty]);
  t.is(first.code, 2);
  t.regex(first.stderr, /is empty/);
  const short = await textFile(t, 'short\n');
  const elsewhere = ['client', '--server', '192.0.2.1:7000', '--target', '3000'];
  const file = await runCli([...elsewhere, '--token-file', short]);
  t.is(file.code, 2);
  t.regex(file.stderr, /--token-file: wants at least 16/);
  const both = await runCli([...SERVER, '--token-file', empty, '--token', TOKEN]);
  t.is(both.code, 2);
  t.regex(both.stderr, /give one of them/);
});

const typos: readonly (readonly string[])[] = [
  [...SERVER, '--token', TOKEN, '--token', TOKEN],
  [...SERVER, `--tokn=${TOKEN}`],
  [`--token=${TOKEN}`],
  [...SERVER, TOKEN],
  [...CLIENT, '--proxy', `ftp://me:${TOKEN}@proxy`],
  [...CLIENT, '--proxy', `http://me:1/${TOKEN}@proxy`],
  [...CLIENT, '--proxy', `http://me:${TOKEN}@proxy`, '--proxy', `http://me:${TOKEN}@proxy`],
  [...CLIENT, `--proxi=http://me:${TOKEN}@proxy`],
];

test('case 19: a mistake on the command line never shows a secret', async (t) => {
  for (const args of typos) {
    const { code, stdout, stderr } = await runCli(args);
    t.is(code, 2);
    t.regex(stderr, /twice|unknown option|too many arguments|--proxy: wants/);
    t.false((stdout + stderr).includes(TOKEN), stderr);
  }
});

test('help is on stdout, names flags and how their variables are called, and is no error', async (t) => {
  const cert = await runCli(['cert', '--help']);
  t.is(cert.code, 0);
  for (const text of ['--out', '--host', '--client', '--days', 'Examples:']) {
    t.true(cert.stdout.includes(text), `cert: ${text}`);
  }
  for (const command of ['server', 'client']) {
    const { code, stdout } = await runCli([command, '--help']);
    t.is(code, 0);
    for (const text of [
      '--token-file',
      '--grace-period',
      '--log-format',
      '--tls',
      'Examples:',
      'POOLD_KEEP_ALIVE=10s',
    ]) {
      t.true(stdout.includes(text), `${command}: ${text}`);
    }
  }
});

test('--version and -V print the version of the package, which is the one that clients name to servers', async (t) => {
  for (const flag of ['--version', '-V']) t.is((await runCli([flag])).stdout, `${version}\n`);
  t.is(AGENT, `poold/${version}`);
});

test('a token is long, random, and needs no quoting', async (t) => {
  const [one, two] = await Promise.all([runCli(['token']), runCli(['token'])]);
  t.regex(one.stdout, /^[A-Za-z0-9_-]{43}\n$/);
  t.not(one.stdout, two.stdout);
});

test('exit 1: a port that is taken', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const { code, stderr } = await runCli(['server', '--listen', '127.0.0.1:0', '--public', `127.0.0.1:${port}`]);
  t.is(code, 1);
  t.regex(stderr, new RegExp(`${port}`));
  const demo = await runCli(['demo', '--port', `${port}`]);
  t.is(demo.code, 1, demo.stderr);
  t.regex(demo.stderr, new RegExp(`${port}`));
  taken.close();
});
