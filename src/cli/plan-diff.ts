/** What a new plan changes: a comparison of settings, without sockets. */
import { isDeepStrictEqual } from 'node:util';
import { formatAddress, type HostAddress } from '../shared/net/address.ts';
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
  /** Where tunnels that are changed or removed take visitors. */
  readonly leaving: readonly Entrance[];
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
  const kept = new Set(names.filter(stays));
  const changed = names.filter((name) => before.has(name) && !kept.has(name));
  const removed = [...before.keys()].filter((name) => !after.has(name));
  /** By what tells them apart, so that each is there once. */
  const entrances = (tunnels: Tunnels<P>, of: Iterable<string>): Map<string, Entrance> =>
    new Map(
      [...of].flatMap((name) => {
        const entrance = entranceOf((tunnels.get(name) as Planned<P>).settings);
        return entrance === undefined ? [] : [[`${entrance.protocol} ${formatAddress(entrance.address)}`, entrance]];
      }),
    );
  const taken = entrances(before, before.keys());
  const wanted = [...entrances(after, names)].filter(([key]) => !taken.has(key));
  return {
    added: names.filter((name) => !before.has(name)),
    changed,
    removed,
    kept: [...kept],
    // Port 0 is free by nature.
    entrances: wanted.map(([, entrance]) => entrance).filter(({ address }) => address.port !== 0),
    leaving: [...entrances(before, [...changed, ...removed]).values()],
  };
}

/** Those of a diff that can be tried beforehand: one cannot listen at another address of a port that is yet to be left. */
export function tryable({ entrances, leaving }: PlanDiff): Entrance[] {
  const ports = new Set(leaving.map(({ address, protocol }) => `${protocol} ${address.port}`));
  return entrances.filter(({ address, protocol }) => !ports.has(`${protocol} ${address.port}`));
}
