import { execFile } from 'node:child_process';
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { COMMAND_ROWS, flagsOf } from '../../src/cli/command-flags.ts';
import { variableOf } from '../../src/cli/flag.ts';
import { startChild } from '../helpers/child.ts';
import { askSoon } from '../helpers/cli-pair.ts';
import { build, environmentOf, readIgnored, type Stage } from '../helpers/dockerfile.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const DOCKERFILE = 'packaging/docker/Dockerfile';

interface Service {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}
const compose = parse(await readFile('packaging/docker/compose.yaml', 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<'server' | 'client', Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
};

/** Ends as the command does. Whoever may, runs it as the image's user. */
function start(stage: Stage, args: readonly string[], env: Readonly<Record<string, string>>) {
  const [command = '', ...more] = [...stage.entrypoint, ...args];
  const [uid, gid] = idsOf(stage);
  const as = process.getuid?.() === 0 ? { uid, gid } : {};
  return startChild(command, more, { env: { ...environmentOf(stage), ...env }, ...as });
}

function idsOf({ user = '' }: Stage): [uid: number, gid: number] {
  const [uid = Number.NaN, gid = Number.NaN] = user.split(':').map(Number);
  return [uid, gid];
}

test('the steps of the Dockerfile make a pair that runs as compose.yaml says, is healthy, and ends in order', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-image-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await chmod(folder, 0o755);
  const image = await build(DOCKERFILE, process.cwd(), join(folder, 'stages'));
  t.log(`not run here: ${image.base}, of which Node.js and its user come; this is Node.js ${process.version}`);
  t.regex(image.base, /^node:\d+-slim$/);
  t.regex(image.user ?? '', /^[1-9]\d*:[1-9]\d*$/, 'not root');
  t.deepEqual((await readdir(join(image.root, 'opt/poold'))).sort(), [
    'LICENSE',
    'bin',
    'dist',
    'node_modules',
    'package.json',
  ]);
  const installed = await readdir(join(image.root, 'opt/poold/node_modules'));
  t.true(installed.includes('commander'));
  t.false(installed.includes('ava'), 'nothing for development');

  await using help = start(image, image.command, {});
  t.is(await help.ended(), 0, help.output);
  t.regex(help.output, /Usage: poold/);

  await using made = start(image, ['token'], {});
  t.is(await made.ended(), 0, made.output);
  const token = join(folder, 'token.txt');
  await writeFile(token, made.output, { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(token, ...idsOf(image));
  await using target = await startTarget(echo);
  const [listen, visitors, admin, other] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const moved = { POOLD_TOKEN_FILE: token, POOLD_ADMIN: `127.0.0.1:${admin}` };
  const { server, client } = compose.services;
  const forServer = {
    ...server.environment,
    ...moved,
    POOLD_LISTEN: `127.0.0.1:${listen}`,
    POOLD_PUBLIC: `127.0.0.1:${visitors}`,
  };
  await using serving = start(image, server.command, forServer);
  await serving.printed(/listening/);
  await using dialling = start(image, client.command, {
    ...client.environment,
    ...moved,
    POOLD_ADMIN: `127.0.0.1:${other}`,
    POOLD_SERVER: `127.0.0.1:${listen}`,
    POOLD_TARGET: `127.0.0.1:${target.port}`,
  });
  t.is(await askSoon(visitors, 'hello'), 'hello');
  const check = { ...image, entrypoint: [] };
  await using healthy = start(check, image.healthcheck, forServer);
  t.is(await healthy.ended(), 0, healthy.output);
  for (const child of [dialling, serving]) {
    child.kill('SIGTERM');
    t.is(await child.ended(), 0, child.output);
    t.notRegex(child.output, /"level":"?(warn|error|[45]0)/);
  }
  await using ill = start(check, image.healthcheck, forServer);
  t.is(await ill.ended(), 1, ill.output);
});

test('compose.yaml names flags and secrets that there are', (t) => {
  for (const side of ['server', 'client'] as const) {
    const known = new Set(flagsOf(COMMAND_ROWS[side]).map(variableOf));
    const { command, environment, secrets } = compose.services[side];
    t.deepEqual(command, [side]);
    for (const name of Object.keys(environment)) t.true(known.has(name), name);
    t.is(environment['POOLD_TOKEN_FILE'], '/run/secrets/token');
    t.deepEqual(secrets, ['token']);
  }
  t.deepEqual(Object.keys(compose.secrets), ['token']);
});

test('nothing secret or large is sent to the builder', async (t) => {
  const ignored = readIgnored(await readFile('.dockerignore', 'utf8'));
  for (const path of [
    'node_modules/ava',
    '.git',
    '.git/config',
    'dist/src',
    'token.txt',
    'packaging/docker/token.txt',
    'certs/server-key.pem',
  ])
    t.true(ignored(path), path);
  for (const path of ['package.json', 'src/cli/token.ts', 'LICENSE', 'packaging/docker/Dockerfile'])
    t.false(ignored(path), path);
});

test('hadolint has nothing to say against the Dockerfile', async (t) => {
  const said = await new Promise<string | undefined>((resolve) => {
    execFile('hadolint', [DOCKERFILE], (error, stdout, stderr) => {
      resolve((error as NodeJS.ErrnoException | null)?.code === 'ENOENT' ? undefined : stdout + stderr);
    });
  });
  if (said === undefined) t.log('SKIPPED: hadolint is not here');
  t.is(said ?? '', '');
});
