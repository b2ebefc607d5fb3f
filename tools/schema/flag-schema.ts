/** What a file may say where a flag's name is the key, as a JSON Schema: from the flag's row, and from what it reads. */
import { type Flag, readValue } from '../../src/cli/flag.ts';

/** A JSON Schema, draft 7, or a part of one. */
export type Schema = { readonly [keyword: string]: unknown } | boolean;

/** A variable of the environment may stand anywhere in a value, so that nothing more can be known of it. */
const WITH_VARIABLE: Schema = { type: 'string', pattern: String.raw`\$\{[^}]*\}` };

/** YAML's numbers and truth values are read as they are written. */
const TEXT: Schema = { type: ['string', 'number', 'boolean'] };

/** By what the value is called in the flag. Others are texts, or what their choices are. */
const KINDS: Readonly<Record<string, (flag: Flag) => readonly Schema[]>> = {
  duration: () => [{ type: 'string', pattern: '^(0|[0-9]+(ms|s|m|h))$' }, { const: 0 }],
  size: () => [{ type: 'string', pattern: '^(0|[0-9]+(B|kB|KB|MB|GB|KiB|MiB|GiB))$' }, { const: 0 }],
  n: numberSchemas,
  port: numberSchemas,
  'host:port': addressSchemas,
  url: () => [{ type: 'string', pattern: '^[A-Za-z][A-Za-z0-9]*://' }],
};

/** The schema of a key's value, with what the help says of the flag. */
export function flagSchema(flag: Flag): Schema {
  const one = valueSchemas(flag);
  const value = flag.repeatable === true ? { anyOf: [...one, listOf(one, flag)] } : oneOrAny(one);
  const { default: otherwise } = flag;
  const text = otherwise === undefined ? flag.help : `${flag.help} (default: ${otherwise})`;
  return { description: text, ...value, ...defaultOf(flag) };
}

function valueSchemas(flag: Flag): readonly Schema[] {
  const words = wordsOf(flag);
  if (words.length > 0) return [{ enum: words }, WITH_VARIABLE];
  const kind = KINDS[/[<[](.+)[>\]]$/.exec(flag.flags)?.[1] ?? ''];
  return kind === undefined ? [TEXT] : [...kind(flag), WITH_VARIABLE];
}

/** All that the value may be, as YAML has it: `yes` and `true`, `1` and `"1"`. Empty where that is no list. */
function wordsOf(flag: Flag): unknown[] {
  const words = flag.choices ?? (flag.alone === undefined ? [] : ['yes', 'no']);
  const numbers = words.filter((word) => /^\d+$/.test(word)).map(Number);
  return [...words, ...numbers, ...(flag.alone === undefined ? [] : [true, false, 'true', 'false'])];
}

/** A number from 0 or 1 on, and `auto` where that is read. How large it may be is known to the library alone. */
function numberSchemas(flag: Flag): readonly Schema[] {
  const minimum = reads(flag, '0') ? 0 : 1;
  const digits: Schema = { type: 'string', pattern: minimum === 0 ? '^[0-9]+$' : '^0*[1-9][0-9]*$' };
  return [{ type: 'integer', minimum }, digits, ...(reads(flag, 'auto') ? [{ const: 'auto' }] : [])];
}

/** With a port alone or a unix socket where those are read. */
function addressSchemas(flag: Flag): readonly Schema[] {
  return [
    { type: 'string', pattern: String.raw`^(?!unix:|.*://)\S+:[0-9]{1,5}$` },
    ...(reads(flag, 'unix:/path') ? [{ type: 'string', pattern: '^unix:/' }] : []),
    ...(reads(flag, '7000')
      ? [
          { type: 'integer', minimum: 0, maximum: 65_535 },
          { type: 'string', pattern: '^[0-9]{1,5}$' },
        ]
      : []),
  ];
}

function listOf(items: readonly Schema[], { fromFiles }: Flag): Schema {
  return { type: 'array', items: oneOrAny(items), ...(fromFiles === 'some' ? { minItems: 1 } : {}) };
}

function oneOrAny(schemas: readonly Schema[]): { readonly [keyword: string]: unknown } {
  const [first] = schemas;
  return schemas.length === 1 && typeof first === 'object' ? first : { anyOf: schemas };
}

/** Where the default is a value and no description of one. */
function defaultOf(flag: Flag): { readonly default?: unknown } {
  const text = flag.default;
  const isWord = text !== undefined && !text.includes(' ') && (flag.choices !== undefined || flag.parse !== undefined);
  if (!isWord || !reads(flag, text)) return {};
  return { default: /^\d+$/.test(text) ? Number(text) : text };
}

function reads(flag: Flag, text: string): boolean {
  try {
    readValue(flag, text);
    return true;
  } catch {
    return false;
  }
}
