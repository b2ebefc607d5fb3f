/** Who wants to hear that a signal aborts: one listener for each signal, for Node takes more than ten on one for a leak. */

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `aborted`, which must not throw, when the signal aborts, which it has not yet, unless {@link offAbort} comes first. */
export function onAbort(signal: AbortSignal, aborted: () => void): void {
  let all = waiting.get(signal);
  if (all === undefined) {
    all = new Set();
    waiting.set(signal, all);
    signal.addEventListener('abort', tellAll);
  }
  all.add(aborted);
}

export function offAbort(signal: AbortSignal, aborted: () => void): void {
  const all = waiting.get(signal);
  if (all?.delete(aborted) === true && all.size === 0) forget(signal);
}

function tellAll(this: AbortSignal): void {
  // Who leaves meanwhile is skipped.
  for (const aborted of waiting.get(this) ?? []) aborted();
  forget(this);
}

function forget(signal: AbortSignal): void {
  waiting.delete(signal);
  signal.removeEventListener('abort', tellAll);
}
