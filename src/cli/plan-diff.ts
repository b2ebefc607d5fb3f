/** What a new plan changes: a comparison of settings, without sockets. */
import { isDeepStrictEqual } from 'node:util';
import type { HostAddress } from '../shared/net/address.ts';
import type { Planned } from './planned.ts';

/** An address of visitors. */
export interface Entrance {
  readonly address: HostAddress;
  readonly protocol: 'tcp' | 'udp';
}

/** What matters when the settings of a tunnel are compared. */
export interface TunnelTraits<P> {
  /** Those that a running tunnel cannot change. */
  readonly lasting: (settings: P) => unknown;
  /** Where its visitors come in. */
  readonly entranceOf: (settings: P) => Entrance | undefined;
}

/** How a change is told, by the names of tunnels. */
export interface Changed {
  readonly added: readonly string[];
  /** Replaced: others of that name. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export interface PlanDiff extends Changed {
  /** Those that stay, perhaps with other settings that a running tunnel can take. */
  readonly kept: readonly string[];
  /** Where visitors are to come in, and no tunnel of the plan before takes any. */
  readonly entrances: readonly Entrance[];
}

/** The tunnels of a plan, by name. */
type Tunnels<P> = ReadonlyMap<string, Planned<P>>;

export function diffPlans<P>(before: Tunnels<P>, after: Tunnels<P>, traits: TunnelTraits<P>): PlanDiff {
  const { lasting, entranceOf } = traits;
  const names = [...after.keys()];
  const stays = (name: string): boolean => {
    const [old, next] = [before.get(name), after.get(name)];
    return old !== undefined && next !== undefined && isDeepStrictEqual(lasting(old.settings), lasting(next.settings));
  };
  const entrances = (tunnels: Tunnels<P>): Entrance[] =>
    [...tunnels.values()].flatMap(({ settings }) => entranceOf(settings) ?? []);
  const taken = entrances(before);
  return {
    added: names.filter((name) => !before.has(name)),
    changed: names.filter((name) => before.has(name) && !stays(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    kept: names.filter(stays),
    // Port 0 is free by nature.
    entrances: entrances(after).filter(
      (entrance) => entrance.address.port !== 0 && !taken.some((other) => isDeepStrictEqual(other, entrance)),
    ),
  };
}
