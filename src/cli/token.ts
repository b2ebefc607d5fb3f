import { randomBytes } from 'node:crypto';

/** As much as the keys that are made of it: nobody guesses 256 bits. */
const TOKEN_BYTES = 32;

/** A token that is good enough for anywhere: 43 characters that need no quoting. */
export function makeToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}
