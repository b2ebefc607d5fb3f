/** Processes that tests start: waited for by what they print, and always ended by their own ID. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

export interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** All that it has printed so far, both streams. */
  readonly output: string;
  /** Resolves with the first match in the output so far or to come; rejects when the process ends without it. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with its exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const changed = new Set<() => void>();
  const tell = (): void => {
    for (const listener of changed) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      tell();
    });
  }
  let end: number | NodeJS.Signals | undefined;
  const closed = once(child, 'close').then(([code, signal]: (number | NodeJS.Signals | null)[]) => {
    end = code ?? signal ?? 1;
    tell();
    return end;
  });
  return {
    process: child,
    get output() {
      return output;
    },
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match === null && end === undefined) return;
          changed.delete(look);
          if (match === null) reject(new Error(`ended with ${end} before it printed ${pattern}:\n${output}`));
          else resolve(match);
        };
        changed.add(look);
        look();
      }),
    ended: () => closed,
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      if (end === undefined) child.kill('SIGKILL');
      await closed;
    },
  };
}

/** The processes that a process has started, on Linux. */
export function childrenOf({ process: { pid } }: Child): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
