/** Who of several serves next: servers, clients, targets and backends are chosen by the same rules. */

/** The rules by name. */
export const STRATEGIES = ['round-robin', 'least-in-use', 'random-of-two', 'failover'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** One to choose from. */
interface Candidate {
  /** False where it may not be chosen now. */
  readonly usable?: boolean;
  /** What it carries at the moment: connections, visits. */
  readonly inUse: number;
}

/** Chooses among candidates, the same objects each time and in a lasting order; undefined when none is usable. */
export type Strategy = <C extends Candidate>(candidates: readonly C[]) => C | undefined;

/**
 * A strategy, with a memory of its own where it needs one.
 *
 * - `round-robin`: who was chosen longest ago.
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
  failover: () => (candidates) => candidates.find(({ usable }) => usable !== false),
};

/** Who was chosen when: a memory that holds nobody back who has gone. */
class Turns {
  readonly #last = new WeakMap<object, number>();
  #now = 0;

  /** The turn in which it was chosen last; 0 for never. */
  last(candidate: Candidate): number {
    return this.#last.get(candidate) ?? 0;
  }

  take<C extends Candidate>(candidate: C | undefined): C | undefined {
    if (candidate !== undefined) this.#last.set(candidate, ++this.#now);
    return candidate;
  }
}

/** Who carries least, or whoever does; among equals the one that was chosen longest ago. */
function foremost<C extends Candidate>(candidates: readonly C[], turns: Turns, heedsLoad: boolean): C | undefined {
  let best: C | undefined;
  let bestTurn = 0;
  for (const candidate of candidates) {
    if (candidate.usable === false) continue;
    const more = best === undefined || !heedsLoad ? 0 : candidate.inUse - best.inUse;
    if (more > 0) continue;
    // Looked up only where it decides: with many clients this is most of what a choice costs.
    const turn = turns.last(candidate);
    if (best !== undefined && more === 0 && turn >= bestTurn) continue;
    best = candidate;
    bestTurn = turn;
  }
  return turns.take(best);
}

function roundRobin(): Strategy {
  const turns = new Turns();
  return (candidates) => foremost(candidates, turns, false);
}

function leastInUse(): Strategy {
  const turns = new Turns();
  return (candidates) => foremost(candidates, turns, true);
}

function randomOfTwo<C extends Candidate>(candidates: readonly C[], random: () => number): C | undefined {
  const usable = candidates.filter(({ usable }) => usable !== false);
  const draw = (among: readonly C[]): C | undefined => among[Math.floor(random() * among.length)];
  const one = draw(usable);
  const other = draw(usable.filter((candidate) => candidate !== one));
  if (one === undefined || other === undefined) return one;
  return other.inUse < one.inUse ? other : one;
}
