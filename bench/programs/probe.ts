/**
 * Loaded into a poold process by `node --import`: counts connections by poold's diagnostics channels, which cost a visit
 * nothing, and answers the benchmark over IPC.
 */
import cluster from 'node:cluster';
import diagnostics from 'node:diagnostics_channel';
import type { Counts } from '../ways.ts';

let made = 0;
let gone = 0;
let capacity = 0;

diagnostics.subscribe('poold:pool:connectionReady', () => (made += 1));
diagnostics.subscribe('poold:pool:connectionClosed', () => (gone += 1));
diagnostics.subscribe('poold:pool:capacityChanged', (message) => ({ capacity } = message as { capacity: number }));

// The workers of a server inherit this file, and have a channel of their own to their first process.
if (!cluster.isWorker) answer();

function answer(): void {
  process.on('message', () => {
    // Only with --expose-gc: what could be freed says nothing about a connection's size.
    globalThis.gc?.();
    const counts: Counts = { made, open: made - gone, capacity, rssBytes: process.memoryUsage.rss() };
    process.send?.(counts);
  });
  // Whoever is probed ends as if it were not.
  process.channel?.unref();
}
