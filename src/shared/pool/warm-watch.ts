import { offAbort, onAbort } from '../abort.ts';

/** Those who wait until a pool is warm. */
export class WarmWatch {
  readonly #watchers = new Set<{ readonly wanted: number; end(error?: unknown): void }>();

  /** Resolves when {@link update} has heard of at least `wanted` idle connections; rejects with the signal's reason. */
  wait(wanted: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => watcher.end(signal?.reason);
      const watcher = {
        wanted,
        end: (error?: unknown): void => {
          this.#watchers.delete(watcher);
          if (signal !== undefined) offAbort(signal, aborted);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#watchers.add(watcher);
      if (signal !== undefined) onAbort(signal, aborted);
    });
  }

  update(idle: number): void {
    if (this.#watchers.size === 0) return;
    for (const watcher of this.#watchers) if (idle >= watcher.wanted) watcher.end();
  }

  refuseAll(error: Error): void {
    for (const watcher of this.#watchers) watcher.end(error);
  }
}
