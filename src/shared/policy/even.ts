/** How unevenly a pool may grow beyond its capacity until each of the server's processes has its share. */
const MAX_GROWTH = 3;

/**
 * How many connections to dial so that each of a server's processes holds its share of the idle ones. The system decides
 * which process gets a connection, so it may take more dials than shares are missing; past three times the capacity they
 * end, and visitors of a process without connections are passed to another.
 *
 * @param idle the idle connections by process; those that have none may be missing
 */
export function unevenness(idle: readonly number[], workers: number, capacity: number): number {
  if (workers <= 1) return 0;
  const share = Math.ceil(capacity / workers);
  let lacking = 0;
  let all = 0;
  for (let worker = 0; worker < workers; worker += 1) {
    const held = idle[worker] ?? 0;
    lacking += Math.max(0, share - held);
    all += held;
  }
  return Math.max(0, Math.min(lacking, capacity * MAX_GROWTH - all));
}
