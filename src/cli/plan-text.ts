/** What holds, as text: each option with where it is from. Pure. */
import type { Command } from 'commander';
import { type Address, formatAddress } from '../shared/net/address.ts';
import { formatDuration, formatSize } from '../shared/units.ts';
import { BANDWIDTH_FLAGS } from './bandwidth-flags.ts';
import { levelsOf } from './command-flags.ts';
import type { Side } from './config/config-file.ts';
import { type Flag, keyOf, nameOf, valueOf } from './flag.ts';
import { CLIENT_POOL_FLAGS, duration, size, TOKEN, TOKENS } from './flags.ts';
import { strangersTo } from './flow.ts';
import type { ClientPlan, ServerPlan } from './plan.ts';

/** Where the comment stands, characters from the left. */
const COMMENT_AT = 40;

/**
 * A plan as a file would have it, with a comment behind each value that says where it is from; what has its default is a
 * comment as a whole. Secrets are not shown.
 */
export function planText(
  side: Side,
  { command, tunnels }: Pick<ServerPlan | ClientPlan, 'command'> & Partial<Pick<ServerPlan | ClientPlan, 'tunnels'>>,
): string {
  const { process, shared, own } = levelsOf(side);
  const listed = valueOf(TOKENS, command) === undefined ? [] : [TOKENS];
  const lines = [`${side}:`, ...[...process, ...listed].map((flag) => lineOf(flag, command, '  '))];
  if (side !== 'balance') lines.push('  tunnels:');
  for (const [name, { command: its }] of tunnels ?? []) {
    const strangers = strangersTo(its);
    const flags = [...own, ...shared].filter((flag) => !strangers.has(flag));
    lines.push(`    ${name}:`, ...flags.map((flag) => lineOf(flag, its, '      ')));
  }
  return lines.join('\n') + '\n';
}

function lineOf(flag: Flag, command: Command, indent: string): string {
  const value = valueOf(flag, command);
  if (value === undefined) return `${indent}# ${keyOf(flag)}: ${flag.default ?? 'none'} (default)`;
  const text = `${indent}${keyOf(flag)}: ${isSecret(flag) ? '(not shown)' : valueText(flag, value)}`;
  return `${text.padEnd(COMMENT_AT)} # ${nameOf(flag, command)}`;
}

/** A proxy's URL may have a password. */
function isSecret(flag: Flag): boolean {
  return flag === TOKEN || flag === TOKENS || flag === CLIENT_POOL_FLAGS.proxy;
}

function valueText(flag: Flag, value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((one) => valueText(flag, one)).join(', ')}]`;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number' && flag.parse === duration) return formatDuration(value);
  const isSize = flag.parse === BANDWIDTH_FLAGS.upload.parse || flag.parse === size;
  if (typeof value === 'number' && isSize) return formatSize(value);
  if (typeof value !== 'object' || value === null) return plainOrQuoted(String(value));
  return plainOrQuoted('http' in value ? `http:${String(value.http)}` : formatAddress(value as Address));
}

/** As YAML needs it. */
function plainOrQuoted(text: string): string {
  return /^[\w./][\w./:-]*$/.test(text) ? text : JSON.stringify(text);
}
