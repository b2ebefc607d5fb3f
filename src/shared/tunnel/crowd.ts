import type { Clock } from '../clock.ts';

/** Those who are there, and a way to wait until nobody is. */
export class Crowd<T> {
  readonly #members = new Set<T>();
  #emptied: (() => void) | undefined;

  get size(): number {
    return this.#members.size;
  }

  add(member: T): void {
    this.#members.add(member);
  }

  delete(member: T): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#emptied?.();
  }

  /** Those who are there now. */
  all(): T[] {
    return [...this.#members];
  }

  /** Resolves when nobody is there, or after `graceMs`. */
  async empty(clock: Clock, graceMs: number): Promise<void> {
    if (this.#members.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, graceMs);
      this.#emptied = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
  }
}
