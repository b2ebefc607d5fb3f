/** The environment variable that makes a process a worker: `INDEX/COUNT`. */
export const WORKER_VARIABLE = 'POOLD_WORKER_OF';

/** One of several processes. */
export interface WorkerPlace {
  readonly index: number;
  readonly count: number;
}

/** Which of several this process is; undefined for the first, which has started the others, and for one that is alone. */
export function workerPlace(): WorkerPlace | undefined {
  const place = /^(\d+)\/(\d+)$/.exec(process.env[WORKER_VARIABLE] ?? '');
  if (place === null || process.send === undefined) return undefined;
  return { index: Number(place[1]), count: Number(place[2]) };
}
