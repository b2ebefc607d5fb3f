import * as v from 'valibot';
import { InvalidOptionError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { isName } from '../wire/fields.ts';
import type { Token } from './token-ring.ts';

/** The shortest token that a public address takes, characters: a greeting lets an attacker guess offline. */
const MIN_PUBLIC_TOKEN_LENGTH = 16;

/** A day, at its beginning in UTC, or a minute, second or fraction with its time zone. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** A token and what it is good for. */
export interface TokenOption {
  /** The secret. */
  readonly token: string;
  /** What events and logs call it: 1 to 64 of `A-Z a-z 0-9 . _ -`, no secret. Two tokens may share a name. */
  readonly name?: string;
  /**
   * From then on nobody gets in with it; connections that are in are replaced when they are idle, and visits go on. A
   * `Date`, or text as in `2027-01-31` (UTC) and `2027-01-31T12:00:00Z`.
   */
  readonly expires?: Date | string;
  /** The only tunnels that it opens. Default: all. */
  readonly tunnels?: readonly string[];
}

/** One secret, or several that are valid at once. */
export type TokensOption = string | readonly string[] | readonly TokenOption[];

const WANTED = 'wants a text, or { token, name, expires, tunnels }';

const nameSchema = v.custom<string>(isName, 'wants 1 to 64 of A-Z a-z 0-9 . _ -');

// No message of these may quote what was given: it might be the secret in the wrong place.
const schema = v.strictObject(
  {
    token: v.string(WANTED),
    name: v.optional(nameSchema),
    expires: v.optional(
      v.custom<Date | string>(isTime, 'wants a Date, or a day that exists: 2027-01-31, 2027-01-31T12:00:00Z'),
    ),
    tunnels: v.optional(v.pipe(v.array(nameSchema, 'wants a list'), v.minLength(1, 'is empty; leave it out for all'))),
  },
  WANTED,
);

/**
 * Checks the `token` option of either side.
 *
 * @param required whether others than this machine may be at the other end: then a token there must be, and a long one
 * @throws InvalidOptionError when a token is empty, or missing or too short though required
 */
export function checkTokens(option: TokensOption | undefined, required: boolean): Token[] {
  const given = typeof option === 'string' ? [option] : (option ?? []);
  if (!Array.isArray(given)) throw new InvalidOptionError('token', 'wants a text or a list');
  const tokens = given.map(checkToken);
  if (option !== undefined && (tokens.length === 0 || tokens.some(({ token }) => token === ''))) {
    throw new InvalidOptionError('token', 'is empty; leave it out to use none, or make one with `poold token`');
  }
  const secrets = new Set(tokens.map(({ token }) => token));
  if (secrets.size < tokens.length && given.some((one) => typeof one !== 'string')) {
    throw new InvalidOptionError('token', 'the same secret stands there twice; say once what it is good for');
  }
  if (!required) return tokens;
  if (tokens.length === 0) {
    throw new InvalidOptionError(
      'token',
      'is missing, and the address is not a loopback one; make one with `poold token`',
    );
  }
  if (tokens.some(({ token }) => token.length < MIN_PUBLIC_TOKEN_LENGTH)) {
    const wanted = `at least ${MIN_PUBLIC_TOKEN_LENGTH} characters for an address that is not a loopback one`;
    throw new InvalidOptionError('token', `wants ${wanted}; make one with \`poold token\``);
  }
  return tokens;
}

/** @throws InvalidOptionError for a token of a raw pool, which greets nobody: it would keep nobody out */
export function refuseToken(option: TokensOption | undefined): void {
  if (option === undefined) return;
  throw new InvalidOptionError(
    'token',
    'has no effect with session: false, where nobody is asked for one; leave it out, or use sessions',
  );
}

/**
 * What keeps everybody out of a server's tunnel though its tokens are well-formed; undefined when somebody can get in.
 *
 * @param now the time of day, ms since 1970
 */
export function tokensFault(tokens: readonly Token[], tunnel: string, now: number): InvalidOptionError | undefined {
  if (tokens.length === 0) return undefined;
  const valid = tokens.filter(({ expiresAt = Infinity }) => expiresAt > now);
  if (valid.length === 0) {
    return new InvalidOptionError('token', 'has expired, and nobody gets in; give one with a later end');
  }
  if (valid.some(({ tunnels }) => tunnels?.has(tunnel) !== false)) return undefined;
  return new InvalidOptionError(
    'token',
    `opens other tunnels only, and nobody gets in; give one that opens ${tunnel}, the tunnel here`,
  );
}

function checkToken(given: string | TokenOption, at: number): Token {
  if (typeof given === 'string') return { token: given };
  const { token, name, expires, tunnels } = checkOptions(schema, given, `token[${at}]`);
  const expiresAt = expires === undefined ? undefined : new Date(expires).getTime();
  return { token, name, expiresAt, tunnels: tunnels === undefined ? undefined : new Set(tunnels) };
}

function isTime(value: unknown): boolean {
  if (typeof value === 'string' ? !ISO_TIME.test(value) || !isDay(value.slice(0, 10)) : !(value instanceof Date)) {
    return false;
  }
  return !Number.isNaN(new Date(value as Date | string).getTime());
}

/** Whether the calendar has this day: JavaScript takes the 31st of February for the 3rd of March. */
function isDay(day: string): boolean {
  const time = new Date(`${day}T00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day);
}
