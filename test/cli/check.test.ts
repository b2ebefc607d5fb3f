/** `poold check`: what is wrong with a file is named with its line, and what holds is printed. */
import test from 'ava';
import { runCli, textFile } from '../helpers/cli.ts';

const TOKEN = 'a token that is long enough';

/** A file as an editor has it, with the token in the environment. */
const env = { SECRET: TOKEN };

const TWICE: readonly [what: string, text: string, says: string][] = [
  [
    'datagrams',
    'server:\n  listen: 127.0.0.1:0\n  protocol: udp\n  tunnels:\n' +
      '    one: { public: "127.0.0.1:53" }\n    two: { public: "127.0.0.1:53" }\n',
    ':6 server.tunnels.two.public: 127.0.0.1:53 is the address of the tunnel one; choose another',
  ],
  [
    'visitors of a client',
    'client:\n  server: 127.0.0.1:1\n  flow: forward\n  tunnels:\n' +
      '    one: { local: 3000 }\n    udp: { protocol: udp, local: 3000 }\n    two: { local: "127.0.0.1:3000" }\n',
    ':7 client.tunnels.two.local: 127.0.0.1:3000 is the address of the tunnel one; choose another',
  ],
];

for (const [what, text, says] of TWICE) {
  test(`exit 2 for two tunnels that take ${what} at one address`, async (t) => {
    const file = await textFile(t, text);
    const { code, stderr } = await runCli(['check', file]);
    t.is(code, 2);
    t.is(stderr, `poold: ${file}${says}\n`);
  });
}

const WRONG_TOKENS: readonly [what: string, tokens: string, says: string][] = [
  ['no list', 'laptop', ':3 server.tokens: wants a list of tokens'],
  ['neither token nor file', '[{ name: a }]', ':3 server.tokens[0]: wants one of token and file'],
  [
    'a misspelt key',
    '[{ token: x, expire: 2027-01-01 }]',
    ':3 server.tokens[0].expire: is not known here; did you mean expires?',
  ],
  [
    'a day that no calendar has',
    '[{ token: x, expires: 2027-02-31 }]',
    ':3 server.tokens[0].expires: wants a Date, or a day',
  ],
  ['a file that is not there', '[{ file: /nowhere/x }]', ':3 server.tokens[0].file: /nowhere/x cannot be read'],
  ['another token beside them', '[{ token: x }]\n  token: y', ':4 server.token and '],
];

for (const [what, tokens, says] of WRONG_TOKENS) {
  test(`exit 2 for tokens of a file: ${what}`, async (t) => {
    const tunnels = '  tunnels:\n    web: { public: "127.0.0.1:0" }\n';
    const file = await textFile(t, `server:\n  listen: 127.0.0.1:0\n  tokens: ${tokens}\n${tunnels}`);
    const { code, stderr } = await runCli(['check', file]);
    t.is(code, 2);
    t.true(stderr.startsWith(`poold: ${file}${says}`), stderr);
  });
}

for (const side of ['server', 'client'] as const) {
  test(`exit 2 for an admin address of a ${side} that others could reach unasked`, async (t) => {
    const own = { server: 'listen: 127.0.0.1:0', client: 'server: 127.0.0.1:1' }[side];
    const tunnel = { server: 'public: "127.0.0.1:0"', client: 'target: 3000' }[side];
    const text = `${side}:\n  ${own}\n  admin: 0.0.0.0:9090\n  tunnels:\n    web: { ${tunnel} }\n`;
    const file = await textFile(t, text);
    const { code, stderr } = await runCli(['check', file]);
    t.is(code, 2);
    t.regex(stderr, /:3 (?:server|client)\.admin: others reach 0\.0\.0\.0:9090; add/);
  });
}

test('what holds is printed with where it is from: flag, environment, file, default', async (t) => {
  const file = await textFile(
    t,
    `server:
  listen: 127.0.0.1:7000
  token: \${SECRET}
  keep-alive: 20s
  wait: 1s
  tunnels:
    web: { public: "127.0.0.1:0", keep-alive: 10s, max: 9, upload-limit: 1000kB/s }
`,
  );
  const { code, stdout } = await runCli(['check', file, '--print', '--max', '7'], { ...env, POOLD_WAIT: '3s' });
  t.is(code, 0);
  const lines = new Set(stdout.split('\n').map((line) => line.trim().replaceAll(/ +/g, ' ')));
  for (const line of [
    `listen: 127.0.0.1:7000 # ${file}:2 server.listen`,
    `token: (not shown) # ${file}:3 server.token`,
    `keep-alive: 10s # ${file}:7 server.tunnels.web.keep-alive`,
    'max: 7 # --max',
    `upload-limit: 1MB # ${file}:7 server.tunnels.web.upload-limit`,
    'wait: 3s # POOLD_WAIT',
    '# max-waiting: 4096 (default)',
  ])
    t.true(lines.has(line), `${line}\n${stdout}`);
  t.notRegex(stdout, new RegExp(TOKEN));
});

test('a list of tokens is printed as given, and not shown', async (t) => {
  const tunnels = '  tunnels:\n    web: { public: "127.0.0.1:0" }\n';
  const file = await textFile(t, `server:\n  listen: 127.0.0.1:0\n  tokens: [{ token: ${TOKEN} }]\n${tunnels}`);
  const { stdout } = await runCli(['check', file, '--print']);
  t.regex(stdout, /^ {2}tokens: \(not shown\) +# \S+:3 server\.tokens$/m);
  t.notRegex(stdout, new RegExp(TOKEN));
});

test('tunnels of one address must agree about the proxies in front of it', async (t) => {
  const file = await textFile(
    t,
    `server:
  listen: 127.0.0.1:0
  tunnels:
    one: { public: "127.0.0.1:80", hosts: a.test, proxy-from: 10.0.0.1 }
    two: { public: "127.0.0.1:80", hosts: b.test }
    three: { public: "127.0.0.1:80", proxy-from: [10.0.0.1, 10.0.0.2] }
`,
  );
  const { code, stderr } = await runCli(['check', file]);
  t.is(code, 2);
  t.true(stderr.startsWith(`poold: ${file}:6 server.tunnels.three.proxy-from: another tunnel at this address`), stderr);
});
