import type { Strategy } from '../policy/strategy.ts';

/** Which nodes a get accepts. */
export interface NodeFilter {
  /** Any node but the one of this name. */
  readonly not?: string | undefined;
}

/** A {@link NodeFilter} of whoever runs work that may fail, and may be told so. */
export interface Wish extends NodeFilter {
  /** This one only when no other is fit. */
  readonly avoid?: string | undefined;
  /** Rather waits for a node that is fit than takes what is idle at another: there the work has failed lately. */
  readonly careful?: boolean | undefined;
}

/** A node, as far as it matters for the choice. */
interface Member {
  readonly name: string;
  readonly fit: boolean;
  readonly inUse: number;
  readonly pool: { readonly idle: number };
  usable: boolean;
}

/** From all that is wanted to all that there is. */
const RUNGS = ['liked', 'fit', 'there'] as const;
type Rung = (typeof RUNGS)[number];

function standsOn(rung: Rung, node: Member, wish: Wish | undefined): boolean {
  if (node.name === wish?.not) return false;
  if (rung === 'there') return true;
  return node.fit && (rung === 'fit' || node.name !== wish?.avoid);
}

/** The nodes of a group in their order, and the choice among them. */
export class Roster<N extends Member> {
  readonly #choose: Strategy;
  #nodes: readonly N[] = [];

  constructor(strategy: Strategy) {
    this.#choose = strategy;
  }

  get nodes(): readonly N[] {
    return this.#nodes;
  }

  set(nodes: readonly N[]): void {
    this.#nodes = nodes;
  }

  /**
   * Asks node after node that has something idle, by the strategy, until one gives: those that are wanted first, and
   * whoever else is there before anybody has to wait. Every get passes here, so nothing is made.
   */
  take<V>(wish: Wish | undefined, give: (node: N) => V | undefined): V | undefined {
    for (const rung of RUNGS) {
      let standing = false;
      for (const node of this.#nodes) {
        const stands = standsOn(rung, node, wish);
        standing ||= stands;
        node.usable = stands && node.pool.idle > 0;
      }
      for (let node = this.#choose(this.#nodes); node !== undefined; node = this.#choose(this.#nodes)) {
        const given = give(node);
        if (given !== undefined) return given;
        // It had nothing to give after all.
        node.usable = false;
      }
      if (standing && wish?.careful === true) return undefined;
    }
    return undefined;
  }

  /** The nodes to wait for, leaving out those that have refused already. */
  standing(wish: Wish, refused: ReadonlySet<N>): readonly N[] {
    const left = this.#nodes.filter((node) => !refused.has(node));
    for (const rung of RUNGS) {
      const standing = left.filter((node) => standsOn(rung, node, wish));
      if (standing.length > 0) return standing;
    }
    return [];
  }
}
