/** A limit of bytes each second as numbers: how much at once, and how much in turn. */
import type { RateLimit } from './token-bucket.ts';

/** The most that one read brings, bytes: a burst takes it whole, or it would never pass. */
const READ_BYTES = 64 * 1024;

/** A burst is what so much time brings, s. It makes up for timers that are late. */
const BURST_SECONDS = 0.1;

/** A turn is what so much time brings, s: who comes new waits so long for each of those before it. */
const TURN_SECONDS = 0.01;

/** Less would cost more in frames and wake-ups than it is worth, bytes. */
const MIN_TURN_BYTES = 4096;

/** The bucket of a limit. */
export function bandwidthLimit(bytesPerSecond: number): RateLimit {
  return { perSecond: bytesPerSecond, burst: Math.max(READ_BYTES, bytesPerSecond * BURST_SECONDS) };
}

/** How much one of several may pass before the next one's turn, bytes. */
export function turnBytes(bytesPerSecond: number): number {
  return Math.min(Math.max(Math.floor(bytesPerSecond * TURN_SECONDS), MIN_TURN_BYTES), READ_BYTES);
}
