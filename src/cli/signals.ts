/** Signals as users of services expect them: the first asks to end, the second ends. */

/** What a running command does when it is asked to end. */
export interface Stoppable {
  /** Ends in order, within the grace period. */
  stop(signal: NodeJS.Signals): Promise<void>;
  /** SIGHUP, while it is not asked to end. */
  reload(): void;
}

/**
 * Resolves when the command has ended in order. A second SIGTERM or SIGINT ends the process at once, with the code
 * that shells give such an end.
 */
export function untilStopped(command: Stoppable): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const onStop = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
      stopping = true;
      command.stop(signal).then(resolve, reject);
    };
    process.on('SIGTERM', onStop).on('SIGINT', onStop);
    process.on('SIGHUP', () => {
      if (!stopping) command.reload();
    });
  });
}
