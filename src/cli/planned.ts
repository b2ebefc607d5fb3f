import type { Command } from 'commander';

/** One tunnel, and the flags that its settings are from. */
export interface Planned<P> {
  readonly settings: P;
  readonly command: Command;
}
