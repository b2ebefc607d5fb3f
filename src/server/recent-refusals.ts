import type { Caller } from './known-clients.ts';

/** How long a refusal holds, ms. */
const HOLDS_MS = 1000;

/** Refusals that are remembered; the oldest goes first. */
const MAX_REFUSALS = 4096;

/**
 * Whose proof was wrong just now, by address. What the same client says with the same token within a second is not judged
 * again: it has its answer, so it neither learns anything nor counts once more. A pool with a mistyped token dials eight
 * connections at once, which is one mistake and not eight guesses, and its neighbours behind the same address are not slowed
 * for it. A guesser gains nothing: with the client ID and `kid` of a guess before it gets no judgement, and with others each
 * guess counts.
 */
export class RecentRefusals {
  readonly #max: number;
  readonly #refusedAt = new Map<string, number>();

  constructor(max = MAX_REFUSALS) {
    this.#max = max;
  }

  /** @param now the clock's time, ms */
  has(address: string, caller: Caller, now: number): boolean {
    return now - (this.#refusedAt.get(key(address, caller)) ?? -Infinity) < HOLDS_MS;
  }

  add(address: string, caller: Caller, now: number): void {
    const refused = key(address, caller);
    // Back in at the end: a map keeps the order in which its keys came.
    this.#refusedAt.delete(refused);
    this.#refusedAt.set(refused, now);
    for (const [oldest, at] of this.#refusedAt) {
      if (now - at < HOLDS_MS && this.#refusedAt.size <= this.#max) break;
      this.#refusedAt.delete(oldest);
    }
  }
}

function key(address: string, { client, kid }: Caller): string {
  return `${address} ${client} ${kid}`;
}
