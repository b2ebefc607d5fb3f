import test from 'ava';
import { type Problem, readTree, type Tree } from '../../../src/cli/config/tree.ts';

function read(yaml: string, variables: Record<string, string> = {}) {
  const problems: Problem[] = [];
  return { tree: readTree(yaml, variables, problems), problems };
}

/** The tree without its places. */
function plain(tree: Tree | undefined): unknown {
  if (tree?.kind === 'map') return Object.fromEntries([...tree.entries].map(([key, value]) => [key, plain(value)]));
  return tree?.kind === 'list' ? tree.items.map(plain) : tree?.text;
}

const FILE = `# a pair
server:
  listen: 0.0.0.0:7000
  max: 0x10
  tunnels:
    web: { public: ':80', quick: yes, on: true }
    db:
      allow:
        - 10.0.0.0/8
        - "192.0.2.1"
`;

test('values are texts as they were written, in lists and maps', (t) => {
  const { tree, problems } = read(FILE);
  t.deepEqual(problems, []);
  t.deepEqual(plain(tree), {
    server: {
      listen: '0.0.0.0:7000',
      max: '0x10',
      tunnels: {
        web: { public: ':80', quick: 'yes', on: 'true' },
        db: { allow: ['10.0.0.0/8', '192.0.2.1'] },
      },
    },
  });
});

/** Each path's line. */
function lines(tree: Tree | undefined, found: Record<string, number> = {}): Record<string, number> {
  if (tree === undefined) return found;
  found[tree.path] = tree.line;
  if (tree.kind === 'map') for (const child of tree.entries.values()) lines(child, found);
  if (tree.kind === 'list') for (const child of tree.items) lines(child, found);
  return found;
}

test('each value knows its line and its path', (t) => {
  t.deepEqual(lines(read(FILE).tree), {
    '': 2,
    server: 2,
    'server.listen': 3,
    'server.max': 4,
    'server.tunnels': 5,
    'server.tunnels.web': 6,
    'server.tunnels.web.public': 6,
    'server.tunnels.web.quick': 6,
    'server.tunnels.web.on': 6,
    'server.tunnels.db': 7,
    'server.tunnels.db.allow': 8,
    'server.tunnels.db.allow[0]': 9,
    'server.tunnels.db.allow[1]': 10,
  });
});

test('variables of the environment stand for their values, in texts and nowhere else', (t) => {
  const yaml = 'a: ${HOST}:${PORT}\nb: [ "${HOST}" ]\nc: $${HOST} $HOST\n${HOST}: d';
  const { tree, problems } = read(yaml, { HOST: 'h: [x', PORT: '80' });
  t.deepEqual(problems, []);
  t.deepEqual(plain(tree), { a: 'h: [x:80', b: ['h: [x'], c: '${HOST} $HOST', '${HOST}': 'd' });
});

test('all that is wrong is said, with its line and its path, and without what it is', (t) => {
  const { problems } = read('a: ${SECRET}\nb:\nc:\n  - x\n  -\nd: *none\n');
  t.deepEqual(problems, [
    { line: 1, path: 'a', text: 'the environment has no SECRET' },
    { line: 2, path: 'b', text: 'has no value' },
    { line: 5, path: 'c[1]', text: 'has no value' },
    { line: 6, path: 'd', text: 'is an alias of nothing' },
  ]);
});

const BROKEN: readonly [what: string, yaml: string, line: number][] = [
  ['a key that stands twice', 'a: 1\nb: 2\na: 3\n', 3],
  ['a tab', 'a:\n\tb: 1\n', 2],
  ['a bracket that is not closed', 'a: 1\nb: [1, 2\nc: 3\n', 3],
  ['two documents', 'a: 1\n---\nb: 2\n', 2],
];

for (const [what, yaml, line] of BROKEN) {
  test(`${what} is named with its line`, (t) => {
    const { tree, problems } = read(yaml);
    t.is(tree, undefined);
    t.is(problems[0]?.line, line);
    t.regex(problems[0]?.text ?? '', /\w{3}/);
  });
}

test('what is begun as a variable must be one, and is not shown', (t) => {
  const { problems } = read('a: ${SECRET\nb: "${}"\nc: "${SECRET:-x}"\nd: "$${SECRET"\n', { SECRET: 'x' });
  const text = 'wants a name in ${NAME}, and nothing else; $${ is a plain ${';
  t.deepEqual(problems, [
    { line: 1, path: 'a', text },
    { line: 2, path: 'b', text },
    { line: 3, path: 'c', text },
  ]);
});

const SHOWN = [
  '|secret',
  '>secret',
  '|2secret',
  '} secret',
  '*secret',
  '"a" secret',
  '"a\\xsecret"',
  '"secret',
  '? secret',
];

for (const value of SHOWN) {
  test(`a value that is no YAML is not shown: ${value}`, (t) => {
    const { problems } = read(`token: ${value}\n`);
    t.true(problems.length > 0);
    t.notRegex(JSON.stringify(problems), /secret/);
    t.true(problems.every(({ text }) => /\w{3}/.test(text)));
  });
}

test('anchors may be used, but not to grow without end', (t) => {
  t.deepEqual(plain(read('a: &one { x: 1 }\nb: *one\n').tree), { a: { x: '1' }, b: { x: '1' } });
  const levels = Array.from({ length: 9 }, (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at},`.repeat(10)}]`);
  const { problems } = read(`l0: &l0 [x]\n${levels.join('\n')}\n`);
  t.regex(problems[0]?.text ?? '', /more than 100000 values/);
  t.regex(read('a: &a [*a]\n').problems[0]?.text ?? '', /too deep/);
});

test('an empty file is no tree', (t) => {
  t.is(read('# nothing\n').tree, undefined);
});
