/** The secrets of a command: where they stand, and who else might see them there. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError } from '../shared/errors.ts';
import type { FileToken, TokenTerms } from './config/tokens.ts';
import { type Flag, isTyped, nameOf, rankOf, valueOf } from './flag.ts';
import { CLIENT_POOL_FLAGS, COMMON_FLAGS, TOKEN, TOKENS } from './flags.ts';
import { readText } from './read-text.ts';

/** A token of a file's list, with its secret. */
interface ListedToken extends TokenTerms {
  readonly token: string;
}

/** Whether a secret, the token or a proxy's password, stands on the command line, where others may see it. */
export function isSecretTyped(command: Command): boolean {
  return isTyped(TOKEN, command) || (command.name() === 'client' && isPasswordTyped(command));
}

/**
 * The flag whose token counts: one on the command line wins over one in the environment, and that over one in a file.
 *
 * @throws ConfigError when two of the same rank are given
 */
export function tokenFlag(command: Command): Flag | undefined {
  const given = [TOKEN, COMMON_FLAGS.tokenFile, TOKENS].filter((flag) => valueOf(flag, command) !== undefined);
  const highest = Math.max(...given.map((flag) => rankOf(flag, command)));
  const [first, ...others] = given.filter((flag) => rankOf(flag, command) === highest);
  if (first === undefined || others.length === 0) return first;
  throw new ConfigError(`${[first, ...others].map((flag) => nameOf(flag, command)).join(' and ')}: give one of them`);
}

/** The tokens that a command is given, and what the operator should hear about that. @throws ConfigError for those that cannot be used */
export function readTokens(command: Command): { tokens: string[] | ListedToken[] | undefined; warnings: string[] } {
  const token = valueOf(TOKEN, command) as string | undefined;
  // Also when a file is given: an empty secret is a mistake that nobody wants to find out later.
  if (token?.trim() === '') {
    throw new ConfigError(`${nameOf(TOKEN, command)}: is empty; leave it out, or make one with \`poold token\``);
  }
  const flag = tokenFlag(command);
  if (flag === undefined) return { tokens: undefined, warnings: [] };
  if (flag === TOKENS) return readListed(valueOf(TOKENS, command) as readonly FileToken[], command);
  if (flag !== TOKEN) return readTokenFile(valueOf(flag, command) as string, nameOf(flag, command));
  const hint = 'the token stands on the command line, where other users may see it; use --token-file';
  return { tokens: [token as string], warnings: isTyped(TOKEN, command) ? [hint] : [] };
}

/** The tokens of a list, with the secrets of the files that it names. */
function readListed(listed: readonly FileToken[], command: Command): { tokens: ListedToken[]; warnings: string[] } {
  const warnings: string[] = [];
  const tokens: ListedToken[] = [];
  for (const [at, { token = '', file, terms }] of listed.entries()) {
    const read = file === undefined ? undefined : readTokenFile(file, `${nameOf(TOKENS, command)}[${at}].file`);
    for (const secret of read?.tokens ?? [token]) tokens.push({ token: secret, ...terms });
    warnings.push(...(read?.warnings ?? []));
  }
  return { tokens, warnings };
}

/** The tokens of a file, one a line. @throws ConfigError when it cannot be used */
export function readTokenFile(path: string, name: string): { tokens: string[]; warnings: string[] } {
  const tokens = readText(path, name)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (tokens.length === 0) {
    throw new ConfigError(`${name}: ${path} is empty; make a token with \`poold token > ${path}\``);
  }
  const shared = (statSync(path).mode & 0o077) !== 0;
  const warning = `${path} can be read by other users; \`chmod 600 ${path}\` keeps them out`;
  return { tokens, warnings: shared ? [warning] : [] };
}

/** Whether a proxy's user or password stands on the command line. */
function isPasswordTyped(command: Command): boolean {
  const { proxy } = CLIENT_POOL_FLAGS;
  return isTyped(proxy, command) && (valueOf(proxy, command) as string).includes('@');
}

/** What the operator should hear about the proxy's password. */
export function passwordWarning(command: Command): string[] {
  if (!isPasswordTyped(command)) return [];
  return ["the proxy's password stands on the command line, where other users may see it; set POOLD_PROXY instead"];
}
