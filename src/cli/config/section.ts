/** One map of a file, whose keys are the command's flags. */
import leven from 'leven';
import { reasonOf } from '../../shared/errors.ts';
import { type Flag, keyOf, readValue, splitValues } from '../flag.ts';
import type { Branch, Place, Problem, Tree } from './tree.ts';

/** What a flag was given in a file. */
interface Given {
  readonly value: unknown;
  readonly place: Place;
}

/** The values of one map, by their flags. */
export type Section = ReadonlyMap<Flag, Given>;

/** A key this much like another one is taken for it, misspelt: letters to change, for each four. */
const LIKENESS = 1 / 4;

/**
 * Reads a map by the flags that may stand in it. What is wrong is added to `problems`.
 *
 * @param others keys that stand for no flag, and are read elsewhere
 */
export function readSection(
  { entries }: Branch,
  flags: Iterable<Flag>,
  others: readonly string[],
  problems: Problem[],
): Section {
  const known = new Map([...flags].flatMap((flag) => keysOf(flag).map((key) => [key, flag])));
  const section = new Map<Flag, Given>();
  for (const [key, tree] of flat(entries)) {
    if (others.includes(key)) continue;
    const flag = known.get(key);
    if (flag === undefined) {
      problems.push({ ...placeOf(tree), text: `is not known here${hint(key, [...known.keys(), ...others])}` });
      continue;
    }
    const said = section.get(flag);
    if (said !== undefined) {
      problems.push({ ...placeOf(tree), text: `stands beside ${said.place.path}, which is the same` });
      continue;
    }
    try {
      section.set(flag, { value: flagValue(flag, tree), place: placeOf(tree) });
    } catch (error) {
      problems.push({ ...placeOf(tree), text: reasonOf(error) });
    }
  }
  return section;
}

/** Keys whose map's keys are flags' names with a dash in between: `publish: { ports: … }` is `publish-ports: …`. */
export const NESTED: readonly string[] = ['publish', 'health'];

function* flat(entries: Branch['entries']): Generator<[key: string, tree: Tree]> {
  for (const [key, tree] of entries) {
    if (tree.kind === 'map' && NESTED.includes(key))
      for (const [inner, one] of tree.entries) yield [`${key}-${inner}`, one];
    else yield [key, tree];
  }
}

/** What a flag may be called. */
export function keysOf(flag: Flag): string[] {
  return flag.alias === undefined ? [keyOf(flag)] : [keyOf(flag), flag.alias];
}

/** Where it stands, alone. */
export function placeOf({ line, path }: Tree): Place {
  return { line, path };
}

/** @throws RangeError saying what is wrong with it */
function flagValue(flag: Flag, tree: Tree): unknown {
  if (flag.repeatable === true) {
    const texts = tree.kind === 'list' ? tree.items : [tree];
    return texts.flatMap((one) => splitValues(textOf(one, 'wants a value, or a list of values')));
  }
  const text = textOf(tree, 'wants one value');
  return readValue(flag, flag.alone === undefined ? text : (YES_OR_NO.get(text) ?? text));
}

/** What YAML calls true and false are yes and no on the command line. */
const YES_OR_NO = new Map([
  ['true', 'yes'],
  ['false', 'no'],
]);

function textOf(tree: Tree, otherwise: string): string {
  if (tree.kind !== 'text') throw new RangeError(otherwise);
  return tree.text;
}

/** `; did you mean …?`, where something is like it. */
function hint(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, distance: leven(key.toLowerCase(), name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, name.length * LIKENESS))
    .toSorted((one, other) => one.distance - other.distance);
  return nearest === undefined ? '' : `; did you mean ${nearest.name}?`;
}
