/** What age does to the connections of a pool. Called by the housekeeper; decides, and lets the pool act. */
import type { CloseReason } from '../close-reason.ts';
import type { Bag } from './bag.ts';
import type { Entry } from './entry.ts';
import type { PoolConnection } from './pool-connection.ts';
import type { CheckedPoolOptions } from './pool-options.ts';

type Limits = Pick<CheckedPoolOptions, 'claimTimeoutMs' | 'idleTimeoutMs' | 'leakThresholdMs'>;

/** A connection that is too old, and why. */
export interface Aged<T extends PoolConnection> {
  readonly entry: Entry<T>;
  readonly reason: Extract<CloseReason, 'unclaimed' | 'max-lifetime' | 'idle-timeout'>;
}

/**
 * The claimed, expired and surplus connections at `now`. What is idle above `capacity` is surplus, as long as its group
 * keeps an even share of the capacity.
 */
export function* findAged<T extends PoolConnection>(
  bag: Bag<T>,
  { claimTimeoutMs, idleTimeoutMs }: Limits,
  capacity: number,
  now: number,
): Generator<Aged<T>, void> {
  for (const entry of bag.claimedFromOldest()) {
    if (ageOf(entry, now) < claimTimeoutMs) break;
    yield { entry, reason: 'unclaimed' };
  }
  // Those that are out are closed when they come back.
  for (const entry of bag.all()) entry.expired = entry.expiresAt <= now;
  let surplus = idleTimeoutMs === 0 ? 0 : bag.idle - capacity;
  const idle = new Map([...bag.groups].map((group) => [group, group.members - group.inUse]));
  const share = Math.ceil(capacity / idle.size);
  for (const entry of bag.idleFromOldest()) {
    const inGroup = idle.get(entry.group) ?? 0;
    const isSurplus = surplus > 0 && inGroup > share;
    if (entry.expired) yield { entry, reason: 'max-lifetime' };
    else if (isSurplus && ageOf(entry, now) >= idleTimeoutMs) yield { entry, reason: 'idle-timeout' };
    else continue;
    idle.set(entry.group, inGroup - 1);
    surplus -= 1;
  }
}

/** The leases that are out for longer than the leak threshold. */
export function findLeaks<T extends PoolConnection>(bag: Bag<T>, { leakThresholdMs }: Limits, now: number) {
  if (leakThresholdMs === 0) return [];
  const held = bag.all().filter(({ lease }) => lease !== undefined);
  return held.filter((entry) => ageOf(entry, now) >= leakThresholdMs);
}

/** How long it has been in its state, ms; counted from the first time that somebody asks. */
function ageOf<T extends PoolConnection>(entry: Entry<T>, now: number): number {
  entry.since ??= now;
  return now - entry.since;
}
