/** Who of several serves next: servers, clients, targets and backends are chosen by the same rules. */

/** The rules by name. */
const STRATEGIES = ['round-robin', 'least-in-use', 'random-of-two', 'failover'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** One to choose from. */
interface Candidate {
  /** Whether it may be chosen now. */
  readonly usable: boolean;
  /** What it carries at the moment: connections, visits. */
  readonly inUse: number;
}

/** Chooses among candidates in their own, lasting order; undefined when none is usable. */
export type Strategy = <C extends Candidate>(candidates: readonly C[]) => C | undefined;

/**
 * A strategy, with a memory of its own where it needs one.
 *
 * - `round-robin`: each in turn; who is not usable is passed over and loses its turn.
 * - `least-in-use`: who carries least; among equals the one that was chosen longest ago.
 * - `random-of-two`: two drawn at random, the one that carries less (Mitzenmacher, "The power of two choices", 2001).
 * - `failover`: the first usable one in order, so that the first comes back into use as soon as it can.
 *
 * @param random numbers in [0, 1)
 */
export function makeStrategy(name: StrategyName, random: () => number = Math.random): Strategy {
  return MAKERS[name](random);
}

const MAKERS: Readonly<Record<StrategyName, (random: () => number) => Strategy>> = {
  'round-robin': roundRobin,
  'least-in-use': leastInUse,
  'random-of-two': (random) => (candidates) => randomOfTwo(candidates, random),
  failover: () => (candidates) => candidates.find(({ usable }) => usable),
};

function roundRobin(): Strategy {
  let next = 0;
  return (candidates) => {
    for (let step = 0; step < candidates.length; step += 1) {
      const at = (next + step) % candidates.length;
      if (candidates[at]?.usable !== true) continue;
      next = at + 1;
      return candidates[at];
    }
    return undefined;
  };
}

function leastInUse(): Strategy {
  let next = 0;
  return (candidates) => {
    let best: number | undefined;
    for (let step = 0; step < candidates.length; step += 1) {
      const at = (next + step) % candidates.length;
      const candidate = candidates[at];
      if (candidate?.usable !== true) continue;
      if (best === undefined || candidate.inUse < (candidates[best]?.inUse ?? 0)) best = at;
    }
    if (best === undefined) return undefined;
    next = best + 1;
    return candidates[best];
  };
}

function randomOfTwo<C extends Candidate>(candidates: readonly C[], random: () => number): C | undefined {
  const usable = candidates.filter((candidate) => candidate.usable);
  const draw = (among: readonly C[]): C | undefined => among[Math.floor(random() * among.length)];
  const one = draw(usable);
  const other = draw(usable.filter((candidate) => candidate !== one));
  if (one === undefined || other === undefined) return one;
  return other.inUse < one.inUse ? other : one;
}
