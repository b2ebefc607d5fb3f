import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { runCli } from '../helpers/cli.ts';
import { startChild } from '../helpers/child.ts';
import { freePort } from '../helpers/targets.ts';

const run = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
}

/** Packs a copy of the working tree, for packing builds anew, below everybody else's feet. */
async function pack(folder: string): Promise<Packed> {
  const { stdout: list } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const tree = join(folder, 'tree');
  await mkdir(tree);
  for (const path of list.split('\0').filter(Boolean)) {
    await mkdir(join(tree, dirname(path)), { recursive: true });
    // Deleted, and not yet committed.
    await cp(path, join(tree, path)).catch(
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT' || Promise.reject(error),
    );
  }
  await symlink(join(process.cwd(), 'node_modules'), join(tree, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: tree });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [Packed];
  return packed;
}

/** What somebody else would find at once to be missing. */
const WANTED = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'bin/poold.js',
  'dist/src/index.js',
  'dist/src/index.d.ts',
  'dist/src/request.js',
  'dist/src/request.d.ts',
  'dist/src/cli/main.js',
  'dist/src/cli/admin/dashboard/page/main.js',
  'dist/man/poold.1',
  'dist/completions/poold.bash',
  'dist/completions/_poold',
  'dist/completions/poold.fish',
  'docs/operations.md',
  'packaging/systemd/poold-server.service',
  'packaging/systemd/poold-client.service',
  'packaging/docker/compose.yaml',
  'examples/server.yaml',
  'schema/poold.schema.json',
];
const UNWANTED =
  /^(src|test|bench|tools|coverage|\.ci)\/|^dist\/(test|bench|tools)\/|token.*\.txt$|\.(pem|tgz|env|cpuprofile)$/;

const PROGRAM = `import { ClientPool, PooldError, ServerPool, type ServerPoolOptions } from 'poold';
const options: ServerPoolOptions<false> = { listen: '127.0.0.1:0', session: false };
const server = new ServerPool(options);
await server.start();
console.log(server.tryAcquire() === undefined, ClientPool.name, PooldError.name);
// @ts-expect-error a port is no address
export const wrong: ServerPoolOptions<false> = { listen: 7000 };
await server.close();
`;
/** The second door: a codec and a client of one's own, over a real server. */
const REQUESTS = `import { createServer, type AddressInfo } from 'node:net';
import { type Codec, type Decoder, RequestClient, RequestError, socketFactory } from 'poold/request';
class Lines implements Decoder<string> {
  #rest = '';
  push(bytes: Buffer): string[] {
    const lines = (this.#rest + bytes.toString()).split('\\n');
    this.#rest = lines.pop() ?? '';
    return lines;
  }
}
const codec: Codec<number, string> = { encode: (asked) => \`\${asked}\\n\`, decoder: () => new Lines() };
const server = createServer((socket) => socket.pipe(socket));
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
const client = new RequestClient({
  codec,
  servers: [{ name: 'echo', factory: socketFactory({ host: '127.0.0.1', port }) }],
  mode: 'pipeline',
  idempotent: (asked) => asked > 0,
});
client.on('failed', ({ error }) => console.log(error instanceof RequestError && error.kind));
const reply: string = await client.request(7, { timeoutMs: 5000 });
const { replies } = await client.requestMany(['8'], (key) => Number(key));
console.log(reply, replies.get('8'), client.stats().answered);
// @ts-expect-error the codec asks with numbers
export const wrong = (): Promise<string> => client.request('7');
await client.close();
server.close();
`;
const TSCONFIG = {
  compilerOptions: { module: 'nodenext', strict: true, target: 'es2022', types: ['node'], outDir: 'out' },
  files: ['program.ts', 'requests.ts'],
};

test('what npm packs, installed in an empty folder, is a command and a library with types', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-package-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const { filename, files } = await pack(folder);
  const paths = files.map(({ path }) => path);
  for (const path of WANTED) t.true(paths.includes(path), `${path} is not packed`);
  t.deepEqual(
    paths.filter((path) => UNWANTED.test(path)),
    [],
  );
  t.is(files.find(({ path }) => path === 'bin/poold.js')?.mode, 0o755);

  const project = join(folder, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const types = (await readFile('package.json', 'utf8')).match(/"@types\/node": "(.*)"/)?.[1];
  await run('npm', ['install', '--no-audit', join(folder, filename), `@types/node@${types}`], { cwd: project });
  const home = join(project, 'node_modules/poold');
  for (const path of paths.filter((one) => /\.(js|map|1|bash|fish)$/.test(one))) {
    const text = await readFile(join(home, path), 'utf8');
    t.false(text.includes(folder) || text.includes(`${homedir()}/`), `${path} names the machine that packed it`);
  }

  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  t.is((await run('npx', ['--no', '--', 'poold', '--version'], { cwd: project })).stdout, `${version}\n`);
  t.is(await readFile(join(home, 'dist/man/poold.1'), 'utf8'), (await runCli(['man'])).stdout);
  t.true((await readFile(join(home, 'dist/completions/_poold'), 'utf8')).startsWith('#compdef poold\n'));

  const port = await freePort();
  await using demo = startChild(join(project, 'node_modules/.bin/poold'), ['demo', '--port', `${port}`]);
  await demo.printed(new RegExp(`:${port}`));
  const page = await fetch(`http://127.0.0.1:${port}/`);
  t.is(page.status, 200);
  const [, dashboard = ''] = await demo.printed(/dashboard\D*(http:\/\/\S+)/i);
  t.regex(await (await fetch(dashboard)).text(), /uPlot/, 'the dashboard has its charts');
  demo.kill('SIGTERM');
  t.is(await demo.ended(), 0, demo.output);

  await writeFile(join(project, 'program.ts'), PROGRAM);
  await writeFile(join(project, 'requests.ts'), REQUESTS);
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  const tsc = join(process.cwd(), 'node_modules/.bin/tsc');
  const compiled = await run(tsc, ['-p', '.'], { cwd: project }).catch((error: { stdout: string }) => error);
  t.is(compiled.stdout, '');
  t.deepEqual(await readdir(join(project, 'out')), ['program.js', 'requests.js']);
  t.is((await run(process.execPath, ['out/program.js'], { cwd: project })).stdout, 'true ClientPool PooldError\n');
  t.is((await run(process.execPath, ['out/requests.js'], { cwd: project })).stdout, '7 8 2\n');
});
