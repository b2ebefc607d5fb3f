import type { Strategy } from '../policy/strategy.ts';

/** Which nodes a get accepts. */
export interface NodeFilter {
  /** Any node but the one of this name. */
  readonly not?: string | undefined;
}

/** A {@link NodeFilter} that may also have a dislike. */
export interface Wish extends NodeFilter {
  /** This one only when no other is fit. */
  readonly avoid?: string | undefined;
}

/** A node, as far as it matters for the choice. */
interface Member {
  readonly name: string;
  readonly fit: boolean;
  readonly inUse: number;
  readonly pool: { readonly idle: number };
  usable: boolean;
}

/** From all that is wanted to all that there is; the first rung that any node stands on decides. */
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

  get(name: string): N | undefined {
    return this.#nodes.find((node) => node.name === name);
  }

  /**
   * A node with something idle, by the strategy. Undefined when none of those that would be waited for has any: whoever
   * is not fit serves only when nobody else could. Every get passes here, so nothing is made.
   */
  pick(wish?: Wish): N | undefined {
    for (const rung of RUNGS) {
      let standing = false;
      for (const node of this.#nodes) {
        const stands = standsOn(rung, node, wish);
        standing ||= stands;
        node.usable = stands && node.pool.idle > 0;
      }
      if (standing) return this.#choose(this.#nodes);
    }
    return undefined;
  }

  /** Another one, when the last one picked had nothing to give after all. */
  pickAfter(node: N): N | undefined {
    node.usable = false;
    return this.#choose(this.#nodes);
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
