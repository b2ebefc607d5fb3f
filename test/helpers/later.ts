/** Runs `step`, and returns what it would throw later, in a microtask. */
export function later(step: () => void): unknown[] {
  const real = globalThis.queueMicrotask;
  const callbacks: (() => void)[] = [];
  globalThis.queueMicrotask = (callback) => void callbacks.push(callback);
  try {
    step();
  } finally {
    globalThis.queueMicrotask = real;
  }
  return callbacks.flatMap((callback) => {
    try {
      callback();
      return [];
    } catch (error) {
      return [error];
    }
  });
}
