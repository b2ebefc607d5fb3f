/** `tokens:` of a file: several that are valid at once, each with a name, an end and tunnels of its own. */
import leven from 'leven';
import type { Place, Problem, Tree } from './tree.ts';

/** What a token is good for, as a file has it. */
export interface TokenTerms {
  readonly name?: string;
  readonly expires?: string;
  readonly tunnels?: readonly string[];
}

/** One of a file's tokens: it has one of `token` and `file`. */
export interface FileToken {
  readonly token?: string;
  /** A file with the secret, or with several for the same terms. */
  readonly file?: string;
  readonly terms: TokenTerms;
}

const TEXTS = ['token', 'file', 'name', 'expires'] as const;

const KEYS: readonly string[] = [...TEXTS, 'tunnels'];

/** Reads the list. What is wrong is added to `problems`; values are not repeated there, for they are secrets. */
export function readTokens(tree: Tree, problems: Problem[]): FileToken[] {
  const add = ({ line, path }: Place, text: string): void => void problems.push({ line, path, text });
  if (tree.kind !== 'list' || tree.items.length === 0) {
    add(tree, 'wants a list of tokens, as in - { name: laptop, file: laptop.token }');
    return [];
  }
  return tree.items.map((item) => {
    if (item.kind !== 'map') {
      add(item, `wants ${KEYS.join(', ')}`);
      return { terms: {} };
    }
    const found: Record<string, string> = {};
    let tunnels: string[] | undefined;
    for (const [key, value] of item.entries) {
      if (!KEYS.includes(key)) {
        const near = KEYS.find((known) => leven(key, known) <= 1);
        add(value, `is not known here${near === undefined ? '' : `; did you mean ${near}?`}`);
      } else if (key === 'tunnels') {
        const names = value.kind === 'list' ? value.items : [value];
        tunnels = names.flatMap((one) => (one.kind === 'text' ? one.text : []));
        if (tunnels.length < names.length) add(value, 'wants names of tunnels');
      } else if (value.kind !== 'text') {
        add(value, 'wants one value');
      } else {
        found[key] = value.text;
      }
    }
    if ((item.entries.has('token') ? 1 : 0) + (item.entries.has('file') ? 1 : 0) !== 1) {
      add(item, 'wants one of token and file');
    }
    const { token, file, ...terms } = found;
    const source = file === undefined ? { token: token ?? '' } : { file };
    return { ...source, terms: { ...terms, ...(tunnels === undefined ? {} : { tunnels }) } };
  });
}
