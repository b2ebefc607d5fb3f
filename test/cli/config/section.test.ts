import test from 'ava';
import { readSection } from '../../../src/cli/config/section.ts';
import { type Branch, type Problem, readTree } from '../../../src/cli/config/tree.ts';
import type { Flag } from '../../../src/cli/flag.ts';

const NAME: Flag = { flags: '--name <text>', help: '' };
const KEEP_ALIVE: Flag = { flags: '--keep-alive <duration>', help: '', parse: (text) => Number.parseInt(text, 10) };
const COUNT: Flag = {
  flags: '--max-visitors <n>',
  help: '',
  parse: (text) => {
    if (!/^\d+$/.test(text)) throw new RangeError(`"${text}" is not a whole number`);
    return Number(text);
  },
};
const ALLOW: Flag = { flags: '--allow <address>', help: '', repeatable: true };
const QUIT: Flag = { flags: '--exit [yes|no]', help: '', alone: 'yes', choices: ['yes', 'no'] };
const PORTS: Flag = { flags: '--publish-ports <port>', help: '' };
const FLAGS = [NAME, KEEP_ALIVE, COUNT, ALLOW, QUIT, PORTS];

function read(yaml: string) {
  const problems: Problem[] = [];
  const section = readSection(readTree(yaml, {}, problems) as Branch, FLAGS, ['tunnels'], problems);
  return { value: (flag: Flag) => section.get(flag)?.value, section, problems };
}

test('keys are read as their flags are', (t) => {
  const { value, section, problems } = read('name: 7\nkeep-alive: 30s\nmax-visitors: 9\nexit: true\ntunnels: {}\n');
  t.deepEqual(problems, []);
  t.deepEqual([NAME, KEEP_ALIVE, COUNT, QUIT].map(value), ['7', 30, 9, 'yes']);
  t.is(section.size, 4);
  t.deepEqual(section.get(COUNT)?.place, { line: 3, path: 'max-visitors' });
});

test('a flag that may be repeated takes a value, several with commas, or a list', (t) => {
  t.deepEqual(read('allow: a').value(ALLOW), ['a']);
  t.deepEqual(read('allow: a, b').value(ALLOW), ['a', 'b']);
  t.deepEqual(read('allow: [a, "b,c"]').value(ALLOW), ['a', 'b', 'c']);
});

const WRONG: readonly [yaml: string, problem: Problem][] = [
  ['name: a\nkeep-alife: 1s', { line: 2, path: 'keep-alife', text: 'is not known here; did you mean keep-alive?' }],
  ['Name: a', { line: 1, path: 'Name', text: 'is not known here; did you mean name?' }],
  ['maxVisitors: 1', { line: 1, path: 'maxVisitors', text: 'is not known here; did you mean max-visitors?' }],
  ['tunnel: {}', { line: 1, path: 'tunnel', text: 'is not known here; did you mean tunnels?' }],
  ['password: a', { line: 1, path: 'password', text: 'is not known here' }],
  ['max-visitors: many', { line: 1, path: 'max-visitors', text: '"many" is not a whole number' }],
  ['exit: maybe', { line: 1, path: 'exit', text: 'allowed are yes, no' }],
  ['name: [a, b]', { line: 1, path: 'name', text: 'wants one value' }],
  [
    'publish: { ports: 1 }\npublish-ports: 2',
    { line: 2, path: 'publish-ports', text: 'stands beside publish.ports, which is the same' },
  ],
  ['allow: [{ a: b }]', { line: 1, path: 'allow', text: 'wants a value, or a list of values' }],
];

for (const [yaml, problem] of WRONG) {
  test(`${JSON.stringify(yaml)}: ${problem.text}`, (t) => {
    t.deepEqual(read(yaml).problems, [problem]);
  });
}
