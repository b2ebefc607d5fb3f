import type { EventEmitter } from 'node:events';
import type { Events } from '../events.ts';

/** Listeners of one watcher, which are taken off together. */
export class Ears {
  readonly #offs: (() => void)[] = [];

  hear<M extends { readonly [K in keyof M]: [object] }, K extends keyof M & string>(
    source: Events<M>,
    event: K,
    listener: (message: M[K][0]) => void,
  ): void {
    const emitter = source as unknown as EventEmitter;
    emitter.on(event, listener);
    this.#offs.push(() => emitter.off(event, listener));
  }

  stop(): void {
    for (const off of this.#offs.splice(0)) off();
  }
}
