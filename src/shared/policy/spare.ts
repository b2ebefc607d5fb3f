/**
 * How much of something to begin now, of `count` that would be useful: all of it on a process with time to spare, little
 * on a busy one, never nothing. On a saturated event loop more connections serve nobody sooner, and their handshakes
 * take the time of the visits that are on.
 */
export function spareShare(count: number, busy: number): number {
  return count === 0 ? 0 : Math.max(1, Math.round(count * (1 - busy)));
}
