import type { Clock } from '../clock.ts';

/** Where a member stands. One is in at most one crowd at a time. */
const kAt = Symbol('place in the crowd');

interface Placed {
  [kAt]?: number | undefined;
}

/**
 * Those who are there, in no order, and a way to wait until nobody is. Not in a Set: its members change with every visit, and the
 * tables that it leaves behind keep what has stood in them from the garbage collector until that looks at old memory.
 */
export class Crowd<T extends object> {
  readonly #members: (T & Placed)[] = [];
  #emptied: (() => void) | undefined;

  get size(): number {
    return this.#members.length;
  }

  add(member: T): void {
    (member as Placed)[kAt] = this.#members.push(member) - 1;
  }

  /** Does nothing for one who is not there. */
  delete(member: T): void {
    const at = (member as Placed)[kAt];
    const last = this.#members.at(-1);
    if (at === undefined || last === undefined) return;
    this.#members[at] = last;
    last[kAt] = at;
    this.#members.pop();
    (member as Placed)[kAt] = undefined;
    if (this.#members.length === 0) this.#emptied?.();
  }

  /** Those who are there now. */
  all(): T[] {
    return [...this.#members];
  }

  /** Resolves when nobody is there, or after `graceMs`. */
  async empty(clock: Clock, graceMs: number): Promise<void> {
    if (this.#members.length === 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, graceMs);
      this.#emptied = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
  }
}
