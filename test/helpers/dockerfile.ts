/**
 * A Dockerfile without Docker: its instructions are read, and its steps are done in folders that stand for the file systems
 * of its stages. What an image brings (its own Node.js, its user) is this machine's here.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** A stage that is built. */
export interface Stage {
  /** The folder that stands for /. */
  readonly root: string;
  readonly base: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
}

/** The instructions, without comments, each on one line. */
function readDockerfile(text: string): Instruction[] {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n/g, ' ');
  return [...lines.matchAll(/^([A-Z]+) +(.*)$/gm)].map(([, name = '', rest = '']) => ({ name, rest }));
}

/** Says of each path below the context whether .dockerignore leaves it out. */
export function readIgnored(text: string): (path: string) => boolean {
  const patterns = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) =>
      line.replaceAll('.', String.raw`\.`).replaceAll(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:.*/)?')),
    )
    .map((pattern) => new RegExp(`^${pattern}(?:/|$)`));
  return (path) => patterns.some((pattern) => pattern.test(path));
}

/**
 * Builds all stages, and returns the last.
 *
 * @param context the folder that is sent to the builder
 * @param folder an empty one, for the stages
 */
export async function build(dockerfile: string, context: string, folder: string): Promise<Stage> {
  const ignored = readIgnored(await readFile(join(context, '.dockerignore'), 'utf8'));
  const roots = new Map<string, string>();
  let stage = emptyStage('', '');
  let work = '/';
  for (const { name, rest } of readDockerfile(await readFile(dockerfile, 'utf8'))) {
    if (name === 'FROM') {
      const [base = '', , alias = `${roots.size}`] = rest.split(' ');
      stage = emptyStage(join(folder, alias), base);
      roots.set(alias, stage.root);
      await mkdir(join(stage.root, 'usr/local/bin'), { recursive: true });
    } else if (name === 'WORKDIR') {
      work = rest;
      await mkdir(join(stage.root, work), { recursive: true });
    } else if (name === 'ENV') {
      const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(rest) ?? [];
      stage = { ...stage, environment: { ...stage.environment, [key]: value } };
    } else if (name === 'COPY') {
      await copy(rest, { work, stage, roots, context, ignored });
    } else if (name === 'RUN') {
      await run(rest, stage, work);
    } else if (name === 'USER') {
      stage = { ...stage, user: rest };
    } else if (name === 'HEALTHCHECK') {
      stage = { ...stage, healthcheck: words(rest.slice(rest.indexOf('['))) };
    } else if (name === 'ENTRYPOINT') {
      stage = { ...stage, entrypoint: words(rest) };
    } else if (name === 'CMD') {
      stage = { ...stage, command: words(rest) };
    } else {
      throw new Error(`nobody here knows what ${name} does`);
    }
  }
  return stage;
}

/** What is found on the PATH of a container. */
export function environmentOf({ root, environment }: Stage): Record<string, string> {
  const path = `${join(root, 'usr/local/bin')}:${process.env['PATH']}`;
  return { ...environment, PATH: path };
}

function emptyStage(root: string, base: string): Stage {
  return { root, base, environment: {}, user: undefined, entrypoint: [], command: [], healthcheck: [] };
}

function words(json: string): string[] {
  return JSON.parse(json) as string[];
}

interface Copying {
  readonly work: string;
  readonly stage: Stage;
  readonly roots: ReadonlyMap<string, string>;
  readonly context: string;
  readonly ignored: (path: string) => boolean;
}

async function copy(rest: string, { work, stage, roots, context, ignored }: Copying): Promise<void> {
  const [, from, list = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(rest) ?? [];
  const paths = list.split(' ');
  const to = join(stage.root, work, paths.pop() ?? '');
  const source = from === undefined ? context : (roots.get(from) ?? '');
  for (const path of paths) {
    const whole = join(source, path);
    // As Docker does it: a folder's content, a file by its name, links as they are.
    const isFolder = (await stat(whole)).isDirectory();
    await cp(whole, isFolder ? to : join(to, basename(path)), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (one) => from !== undefined || one === context || !ignored(relative(context, one)),
    });
  }
}

/** Absolute paths are those of the stage. */
async function run(command: string, { root, environment }: Stage, work: string): Promise<void> {
  const here = command.replaceAll(/(?<=^| )\/(?=\w)/g, `${root}/`);
  const env = { ...process.env, ...environment };
  await promisify(execFile)('sh', ['-c', here], { cwd: join(root, work), env });
}
