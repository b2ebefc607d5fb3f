import type { EventEmitter } from 'node:events';

/** The next event of that name for which `wanted` holds; its message. */
export function nextEvent<T extends object>(
  emitter: EventEmitter<Record<string, never>> | { on: unknown },
  name: string,
  wanted: (message: T) => boolean = () => true,
): Promise<T> {
  const source = emitter as EventEmitter;
  return new Promise((resolve) => {
    const listener = (message: T): void => {
      if (!wanted(message)) return;
      source.off(name, listener);
      resolve(message);
    };
    source.on(name, listener);
  });
}

/** Between two looks, ms: whoever asks without a pause takes the processor from those it waits for. */
const PAUSE_MS = 2;

/** Resolves once `condition` holds, asked again and again; fails after `limitMs`. */
export async function until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
