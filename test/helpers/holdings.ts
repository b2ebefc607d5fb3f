/** What a process holds once all garbage is gone: the figures that must not grow. */
import { EventEmitter } from 'node:events';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Holdings {
  readonly heapBytes: number;
  /** Objects of these kinds, wherever they are kept. */
  readonly emitters: number;
  readonly maps: number;
  readonly sets: number;
  /** Open handles by kind, sockets and timers among them. */
  readonly handles: Readonly<Record<string, number>>;
  /** Listeners of the process itself. */
  readonly listeners: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export async function holdings(): Promise<Holdings> {
  // Some garbage is only found once what it was attached to has been finalised.
  for (let round = 0; round < 3; round += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const handles: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) handles[name] = (handles[name] ?? 0) + 1;
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  const count = (kind: new () => object): number => queryObjects(kind, { format: 'count' });
  return {
    heapBytes: process.memoryUsage().heapUsed,
    emitters: count(EventEmitter),
    maps: count(Map),
    sets: count(Set),
    handles,
    listeners,
  };
}
