/**
 * Says to systemd how the command is doing, for units of `Type=notify`. Node has no datagram sockets of the unix kind, so
 * `systemd-notify` says it, for which the unit needs `NotifyAccess=all`.
 */
import { execFile } from 'node:child_process';
import { type Clock, systemClock, type Timer } from '../shared/clock.ts';
import type { Logger } from './logging.ts';

/** systemd kills a unit after twice this time without a word: `man sd_watchdog_enabled` asks for half its interval. */
const WATCHDOG_SHARE = 1 / 2;

export interface ServiceOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock?: Clock;
  /** Says it; `systemd-notify` if not given. `done` is called when that has ended. */
  readonly say?: (args: readonly string[], done: (error: Error | null) => void) => void;
  /** Hears once that it cannot be said. */
  readonly onTrouble: (error: Error) => void;
}

/** The service manager that has started this process, if one has that wants to hear of it. */
export class Service {
  readonly #options: ServiceOptions;
  readonly #clock: Clock;
  readonly #listens: boolean;
  readonly #watchdogMs: number;
  #timer: Timer | undefined;
  #troubled = false;

  constructor(options: ServiceOptions) {
    const { env, pid, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#listens = env['NOTIFY_SOCKET'] !== undefined;
    const mine = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
    const intervalMs = mine ? Number(env['WATCHDOG_USEC'] ?? 0) / 1000 : 0;
    this.#watchdogMs = intervalMs > 0 ? intervalMs * WATCHDOG_SHARE : 0;
  }

  /** The command does what it is for; from now on its event loop is watched, where the unit says so. */
  ready(status: string): void {
    this.#tell('--ready', `--status=${status}`);
    this.#feed();
  }

  /** The command ends, and may take its grace period for it. */
  stopping(): void {
    this.#tell('STOPPING=1');
  }

  /** Nothing is said any more. */
  close(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #feed(): void {
    if (!this.#listens || this.#watchdogMs === 0) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => {
      this.#tell('WATCHDOG=1');
      this.#feed();
    }, this.#watchdogMs);
    this.#timer.unref?.();
  }

  #tell(...args: readonly string[]): void {
    if (!this.#listens) return;
    const { say = systemdNotify, pid, onTrouble } = this.#options;
    say([`--pid=${pid}`, ...args], (error) => {
      if (error === null || this.#troubled) return;
      this.#troubled = true;
      onTrouble(error);
    });
  }
}

/** The service manager of this process. */
export function serviceManager(log: Logger): Service {
  return new Service({
    env: process.env,
    pid: process.pid,
    onTrouble: (error) => log.warn(`systemd cannot be told how this process is: ${error.message}`),
  });
}

function systemdNotify(args: readonly string[], done: (error: Error | null) => void): void {
  execFile('systemd-notify', args, (error) => done(error));
}
