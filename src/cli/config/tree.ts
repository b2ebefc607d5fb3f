/** A YAML text as a tree of texts, lists and maps, each of which knows where it stands. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type ParsedNode } from 'yaml';

/** Where something stands: a file's line, and the keys that lead to it. */
export interface Place {
  readonly line: number;
  /** `tunnels.web.keep-alive`; empty for the whole file. */
  readonly path: string;
}

/** A single value. Numbers and truth values are texts, too, as they were written: `8`, `true`. */
interface Text extends Place {
  readonly kind: 'text';
  readonly text: string;
}

interface List extends Place {
  readonly kind: 'list';
  readonly items: readonly Tree[];
}

export interface Branch extends Place {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Tree>;
}

export type Tree = Text | List | Branch;

/** What is wrong at a place. */
export interface Problem extends Place {
  readonly text: string;
}

/** Aliases may repeat each other without end: no file of ours has so many values. */
const MAX_VALUES = 100_000;

/** Nor is any so deep; an alias inside its own anchor is for ever. */
const MAX_DEPTH = 20;

/**
 * Reads a YAML text. What is wrong is added to `problems`, all of it, so that a person need not look it up one by one;
 * values are never repeated there, for they may be secrets.
 *
 * @param variables what `${NAME}` in values stands for; `$${` is a plain `${`
 * @returns undefined when there is nothing to go on with
 */
export function readTree(
  yaml: string,
  variables: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): Tree | undefined {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  for (const { message, pos } of document.errors) {
    problems.push({ line: lines.linePos(pos[0]).line, path: '', text: withoutSource(message) });
  }
  if (document.errors.length > 0 || document.contents === null) return undefined;
  let values = 0;
  let deep = false;

  function read(node: Node | null, path: string, before: number, depth: number): Tree | undefined {
    const line = node?.range == null ? before : lines.linePos(node.range[0]).line;
    const place = { line, path };
    const resolved = isAlias(node) ? node.resolve(document) : node;
    values += 1;
    if (values > MAX_VALUES) return undefined;
    if (depth > MAX_DEPTH) {
      if (!deep) problems.push({ ...place, text: 'is too deep' });
      deep = true;
      return undefined;
    }
    if (isMap<ParsedNode, ParsedNode | null>(resolved)) {
      const entries = new Map<string, Tree>();
      for (const { key, value } of resolved.items) {
        const name = String(isScalar(key) ? key.value : key);
        const at = key.range === null ? line : lines.linePos(key.range[0]).line;
        const child = read(value, path === '' ? name : `${path}.${name}`, at, depth + 1);
        // On the line of its key, wherever its value begins.
        if (child !== undefined) entries.set(name, { ...child, line: at });
      }
      return { ...place, kind: 'map', entries };
    }
    if (isSeq<ParsedNode>(resolved)) {
      const items = resolved.items.map((item, index) => read(item, `${path}[${index}]`, line, depth + 1));
      return { ...place, kind: 'list', items: items.filter((item) => item !== undefined) };
    }
    if (!isScalar(resolved) || resolved.value === null) {
      problems.push({ ...place, text: isAlias(node) ? 'is an alias of nothing' : 'has no value' });
      return undefined;
    }
    // As it was written: 0x10 and 1e3 are for the flag to read, or to refuse.
    const written = typeof resolved.value === 'string' ? resolved.value : (resolved.source ?? '');
    const text = substitute(written, variables, (problem) => problems.push({ ...place, text: problem }));
    return { ...place, kind: 'text', text };
  }

  const tree = read(document.contents, '', 1, 0);
  if (values > MAX_VALUES) problems.push({ line: 1, path: '', text: `has more than ${MAX_VALUES} values` });
  return tree;
}

/** What the parser says, without what it shows of the file: behind a colon, or of an escape. That may be a secret. */
function withoutSource(message: string): string {
  return message.replace(/(?:: | \\).*/s, '');
}

/** `${NAME}` by its value. */
function substitute(
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
  onProblem: (text: string) => void,
): string {
  return text.replaceAll(/(\$?)\$\{((\w+)\})?/g, (whole, escaped: string, _rest, name: string | undefined) => {
    if (escaped !== '') return whole.slice(1);
    const value = name === undefined ? undefined : variables[name];
    // What else may be behind it is not shown: a secret may be written so.
    if (name === undefined) onProblem('wants a name in ${NAME}, and nothing else; $${ is a plain ${');
    else if (value === undefined) onProblem(`the environment has no ${name}`);
    return value ?? '';
  });
}
