import { InvalidOptionError } from '../errors.ts';

/** The shortest token that a public address takes, characters: a greeting lets an attacker guess offline. */
const MIN_PUBLIC_TOKEN_LENGTH = 16;

/**
 * Checks the `token` option of either side against where the connection goes.
 *
 * @param loopback whether the other side can only be on this machine; undefined when nobody knows
 * @returns the tokens as a list
 * @throws InvalidOptionError when a token is empty, or missing or too short for an address that others reach
 */
export function checkTokens(token: string | readonly string[] | undefined, loopback: boolean | undefined): string[] {
  const tokens = token === undefined ? [] : typeof token === 'string' ? [token] : [...token];
  if (token !== undefined && (tokens.length === 0 || tokens.includes(''))) {
    throw new InvalidOptionError('token', 'is empty; leave it out to use none, or make one with `poold token`');
  }
  if (loopback !== false) return tokens;
  if (tokens.length === 0) {
    throw new InvalidOptionError(
      'token',
      'is missing, and the address is not a loopback one; make one with `poold token`',
    );
  }
  if (tokens.some((one) => one.length < MIN_PUBLIC_TOKEN_LENGTH)) {
    const wanted = `at least ${MIN_PUBLIC_TOKEN_LENGTH} characters for an address that is not a loopback one`;
    throw new InvalidOptionError('token', `wants ${wanted}; make one with \`poold token\``);
  }
  return tokens;
}
