/**
 * A long path: `node delay.js LISTEN_PORT TO_PORT ONE_WAY_MS`. Every byte arrives so much later, and so does the
 * connection itself: the far end accepts when SYN, SYN-ACK and ACK would have travelled.
 */
import { connect, createServer, type Socket } from 'node:net';

const [listen, to, delayMs] = process.argv.slice(2).map(Number) as [number, number, number];

/** Passes bytes and end on, each after `wait()` ms. Timers of the same length fire in order, so bytes do too. */
function forward(from: Socket, into: Socket, wait: () => number): void {
  from.on('data', (chunk: Buffer) => setTimeout(() => into.write(chunk), wait()));
  from.on('end', () => setTimeout(() => into.end(), wait()));
  from.on('close', () => setTimeout(() => into.destroy(), wait() + 1));
  from.on('error', () => {});
}

createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const openAt = performance.now() + 3 * delayMs;
  const early: Buffer[] = [];
  const hold = (chunk: Buffer): unknown => early.push(chunk);
  near.on('data', hold).on('error', () => {});
  setTimeout(() => {
    if (near.destroyed) return;
    near.off('data', hold);
    const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    // What was sent in the last delay before the far end accepted is still on its way.
    for (const chunk of early) far.write(chunk);
    forward(near, far, () => Math.max(delayMs, openAt - performance.now()));
    forward(far, near, () => delayMs);
  }, 3 * delayMs);
}).listen(listen, '127.0.0.1', 4096, () => console.log('ready'));
