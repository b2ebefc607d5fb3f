/** A configuration file: one command, its options, and its tunnels by name, where it has tunnels. */
import { readFileSync } from 'node:fs';
import { ConfigError, reasonOf } from '../../shared/errors.ts';
import type { Flag } from '../flag.ts';
import { PUBLISH_FLAGS } from '../publish-flags.ts';
import { placeOf, readSection, type Section } from './section.ts';
import { type FileToken, readTokens } from './tokens.ts';
import { type Branch, type Place, type Problem, readTree, type Tree } from './tree.ts';

/** Whom a file is for. */
export type Side = 'server' | 'client' | 'balance';

const SIDES: readonly string[] = ['server', 'client', 'balance'] satisfies readonly Side[];

const ON_TOP = 'server:, client: or balance:';

/** Which flags may stand where. */
export interface Levels {
  /** For the whole process: only above the tunnels. */
  readonly process: readonly Flag[];
  /** For each tunnel: there, or above them as what holds for all. */
  readonly shared: readonly Flag[];
  /** For one tunnel: only there. */
  readonly own: readonly Flag[];
}

export interface ConfigFile {
  readonly path: string;
  readonly side: Side;
  /** Where `server:`, `client:` or `balance:` stands. */
  readonly place: Place;
  /** What holds for the process, and for each tunnel that does not say otherwise. */
  readonly common: Section;
  /** Tokens with terms; of a server. */
  readonly tokens: { readonly place: Place; readonly all: readonly FileToken[] } | undefined;
  readonly tunnels: ReadonlyMap<string, FileTunnel>;
}

interface FileTunnel {
  readonly place: Place;
  readonly section: Section;
}

/**
 * Reads a file.
 *
 * @throws ConfigError naming all that is wrong, one to a line, each with its line and path, and never what a value is
 */
export function readConfig(
  path: string,
  levelsOf: (side: Side) => Levels,
  variables: Readonly<Record<string, string | undefined>>,
): ConfigFile {
  const problems: Problem[] = [];
  const tree = readTree(readText(path), variables, problems);
  const read = tree === undefined ? undefined : readSides(tree, problems);
  const file = read === undefined ? undefined : readSide(path, read.side, read.branch, levelsOf(read.side), problems);
  if (problems.length > 0) {
    throw new ConfigError(problems.map((problem) => `${placeName(path, problem)}: ${problem.text}`).join('\n'));
  }
  if (file === undefined) throw new ConfigError(`${path}: is empty; it wants ${ON_TOP} on top`);
  return file;
}

/** What to call a place towards whoever wrote it: `poold.yaml:12 server.tunnels.web.keep-alive`. */
export function placeName(file: string, { line, path }: Place): string {
  return `${file}:${line}${path === '' ? '' : ` ${path}`}`;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${path}: cannot be read (${reasonOf(cause)})`, { cause });
  }
}

function readSides(tree: Tree, problems: Problem[]): { side: Side; branch: Branch } | undefined {
  const add = (place: Place, text: string): undefined => {
    problems.push({ line: place.line, path: place.path, text });
    return undefined;
  };
  if (tree.kind !== 'map') return add(tree, `wants ${ON_TOP} on top`);
  const keys = [...tree.entries.keys()];
  for (const key of keys) {
    const stray = tree.entries.get(key) as Tree;
    if (!SIDES.includes(key)) add(stray, `is not known here; on top stands ${ON_TOP}`);
  }
  const [side, other] = keys.filter((key): key is Side => SIDES.includes(key));
  if (side === undefined) return keys.length > 0 ? undefined : add(tree, `wants ${ON_TOP} on top`);
  if (other !== undefined)
    return add(tree.entries.get(other) as Tree, `stands beside ${side}:; a file is for one command`);
  const branch = tree.entries.get(side);
  if (branch?.kind !== 'map') return add(branch ?? tree, 'wants options, one to a line');
  return { side, branch };
}

/** Keys that stand for no flag. */
const OTHERS: Readonly<Record<Side, readonly string[]>> = {
  server: ['tunnels', 'tokens'],
  client: ['tunnels'],
  balance: [],
};

function readSide(path: string, side: Side, branch: Branch, levels: Levels, problems: Problem[]): ConfigFile {
  const others = OTHERS[side];
  const common = readSection(branch, [...levels.process, ...levels.shared], others, problems);
  const listed = side === 'server' ? branch.entries.get('tokens') : undefined;
  const tokens = listed && { place: placeOf(listed), all: readTokens(listed, problems) };
  const tunnels = new Map<string, FileTunnel>();
  const named = branch.entries.get('tunnels');
  const add = (place: Place, text: string): void => void problems.push({ line: place.line, path: place.path, text });
  // A server may have those alone that its clients ask for.
  const publishes = side === 'server' && [...common.keys()].includes(PUBLISH_FLAGS.ports);
  if (side === 'balance') return { path, side, place: placeOf(branch), common, tokens, tunnels };
  if (named === undefined) {
    if (!publishes) add(branch, 'has no tunnels; name one at least below tunnels:');
  } else if (named.kind !== 'map' || named.entries.size === 0) add(named, 'wants tunnels, each by its name');
  else {
    for (const [name, tree] of named.entries) {
      if (tree.kind !== 'map') add(tree, 'wants options, one to a line');
      else {
        const section = readSection(tree, [...levels.own, ...levels.shared], [], problems);
        tunnels.set(name, { place: placeOf(tree), section });
      }
    }
  }
  return { path, side, place: placeOf(branch), common, tokens, tunnels };
}
