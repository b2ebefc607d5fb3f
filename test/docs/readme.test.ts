import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startChild } from '../helpers/child.ts';
import { ask } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const guide = readFileSync(join(root, 'docs/guide.md'), 'utf8');
const index = new URL('../../src/index.js', import.meta.url).href;

/** A page's code blocks of a language, in order. */
function blocks(language: string, page = readme): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code ?? '');
}

/** The README's ports, replaced by free ones, so that tests do not meet each other. */
async function onFreePorts(code: string, target = 0): Promise<{ code: string; public: number }> {
  const [listen, visitors] = [await freePort(), await freePort()];
  const moved = code.replaceAll(/7000|8080|3000/g, (port) => `${{ 7000: listen, 8080: visitors, 3000: target }[port]}`);
  return { code: moved, public: visitors };
}

function runModule(code: string) {
  return startChild(process.execPath, ['--input-type=module', '-e', code.replace("'poold'", `'${index}'`)]);
}

test('the library example is a tunnel', async (t) => {
  await using target = await startTarget(echo);
  const [example = ''] = blocks('js');
  const moved = await onFreePorts(example, target.port);
  await using child = runModule(moved.code);
  await child.printed(/connections are ready/);
  t.is(await ask(connect({ port: moved.public, host: '127.0.0.1', allowHalfOpen: true }), 'hello'), 'hello');
});

test('the example with raw connections prints what it says', async (t) => {
  const [, example = ''] = blocks('js');
  await using child = runModule((await onFreePorts(example)).code);
  t.is(await child.ended(), 0, child.output);
  t.is(child.output, 'hello\ntrue true\n');
});

/** The commands of a pair, as they stand in the README: what makes its files, the server, the client, and a visitor. */
interface Commands {
  readonly making: readonly string[];
  readonly server: string;
  readonly client: string;
  readonly curl: string;
}

const commandsWork = test.macro(async (t, { making, ...pair }: Commands) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-readme-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await using target = await startTarget((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello'));
  });
  const moved = await onFreePorts([pair.server, pair.client, pair.curl].join('\u0000'), target.port);
  const [server = '', client = '', curl = ''] = moved.code.split('\u0000');
  const shell = (code: string) => {
    const command = code.replaceAll('bin/poold.js', join(root, 'bin/poold.js'));
    return startChild('bash', ['-c', command.startsWith('(') ? command : `exec ${command}`], { cwd: folder });
  };
  for (const command of making) {
    await using made = shell(command);
    t.is(await made.ended(), 0, made.output);
  }
  await using serving = shell(server);
  await serving.printed(/listening/i);
  await using dialling = shell(client);
  await dialling.printed(/warm/i);
  await using fetched = shell(curl.replace('curl', 'curl --silent --show-error'));
  t.is(await fetched.ended(), 0, fetched.output);
  t.is(fetched.output, 'hello');
});

const commands = blocks('sh').filter((code) => code.includes('poold.js') || code.includes('curl'));
const [token = '', server = '', client = '', curl = ''] = commands;
const [cert = '', certServer = '', certClient = ''] = blocks('sh', guide).filter((code) => code.includes('certs'));

test('the commands make a tunnel that curl passes through', commandsWork, { making: [token], server, client, curl });

test('so do those of a private pair with certificates', commandsWork, {
  making: [token, cert],
  server: certServer,
  client: certClient,
  curl,
});

test('the pair of files is the one in the README, and makes its tunnels', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-readme-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const [check = '', serve = '', dial = ''] = (commands.find((code) => code.includes('-c examples')) ?? '').split('\n');
  await using target = await startTarget(echo);
  const free = new Map([['3000', target.port]]);
  await mkdir(join(folder, 'examples'));
  for (const side of ['server', 'client']) {
    const file = readFileSync(join(root, 'examples', `${side}.yaml`), 'utf8');
    if (side === 'server') t.true(file.endsWith(blocks('yaml')[0] ?? 'none'));
    for (const [, port = ''] of file.matchAll(/127\.0\.0\.1:(\d+)/g)) {
      if (!free.has(port)) free.set(port, await freePort());
    }
    const moved = file.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, (port) => String(free.get(port)));
    await writeFile(join(folder, 'examples', `${side}.yaml`), moved);
  }
  await writeFile(join(folder, 'token.txt'), 'a token that is long enough', { mode: 0o600 });
  const run = (command: string) =>
    startChild('bash', ['-c', `exec ${command.replace('bin/poold.js', join(root, 'bin/poold.js'))}`], { cwd: folder });
  await using checked = run(check);
  t.is(await checked.ended(), 0, checked.output);
  await using server = run(serve);
  await server.printed(/listening/);
  await using client = run(dial);
  await client.printed(/(?:"warm"[^]*){3}/);
  const visitor = connect({ port: free.get('8080') as number, host: '127.0.0.1', allowHalfOpen: true });
  t.is(await ask(visitor, 'hello'), 'hello');
});

test('the README begins as newcomers need it', (t) => {
  t.true(readme.includes('npm install && npm start'));
  t.true(readme.includes('npm install && npm test'));
  for (const [, page = ''] of readme.matchAll(/\]\(((?:docs\/)?[\w./-]+\.md)\)/g)) {
    t.notThrows(() => readFileSync(join(root, page)), page);
  }
});
