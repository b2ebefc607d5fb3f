/**
 * Loaded into a command by `NODE_OPTIONS=--import`: at SIGUSR2 it collects all garbage and prints, on a line that begins
 * with `probe`, what the process holds. The command itself is as users have it.
 */
import { type Holdings, holdings } from './holdings.ts';

process.on('SIGUSR2', () => {
  void holdings().then((held: Holdings) => console.log(`probe ${JSON.stringify(held)}`));
});
