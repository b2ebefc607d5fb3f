/** What became of a request for each of many keys. */
export interface ManyReplies<K, Rep> {
  /** The replies of those that succeeded. */
  readonly replies: ReadonlyMap<K, Rep>;
  /** Why the others failed. */
  readonly failures: ReadonlyMap<K, unknown>;
}

/** Asks for each key, with at most `atOnce` under way, and collects what succeeds and what fails. */
export async function askForEach<K, Rep>(
  keys: Iterable<K>,
  ask: (key: K) => Promise<Rep>,
  atOnce: number,
): Promise<ManyReplies<K, Rep>> {
  const replies = new Map<K, Rep>();
  const failures = new Map<K, unknown>();
  const wanted = [...new Set(keys)];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < wanted.length) {
      const key = wanted[next] as K;
      next += 1;
      try {
        replies.set(key, await ask(key));
      } catch (error) {
        failures.set(key, error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, wanted.length) }, worker));
  return { replies, failures };
}
