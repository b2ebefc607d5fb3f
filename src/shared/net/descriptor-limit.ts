import { readFileSync } from 'node:fs';

/** Where Linux says what a process may have; Node has no way to ask. It has raised the limit as far as it may. */
const LIMITS = '/proc/self/limits';

/** The most descriptors that this process may have; undefined where the system does not say. */
export function descriptorLimit(): number | undefined {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(LIMITS, 'utf8'))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}
