/**
 * Turns connections away while the process can still do so. At the limit itself nobody would be asked: libuv gives up a
 * descriptor that it keeps for that, accepts whoever waits and closes them in order, as if they had been served, and
 * Node says nothing; when another thread takes that descriptor meanwhile, the event loop spins.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { DescriptorsError } from '../errors.ts';
import { descriptorLimit } from './descriptor-limit.ts';
import { Shortage } from './shortage.ts';

/** The number that the system gave a socket; Node has no public way to ask. */
interface Numbered {
  readonly _handle?: { readonly fd?: number } | null;
}

export interface DescriptorGuardOptions {
  /** Whom it keeps out, for the error. */
  readonly who: string;
  /** How many of the limit are kept for others. */
  readonly spare: (limit: number) => number;
  readonly clock: Clock;
  /** Told once for each shortage. */
  readonly onShort: (error: DescriptorsError) => void;
  /** Default: what the system says. */
  readonly limit?: number | undefined;
}

export class DescriptorGuard {
  readonly #shortage: Shortage;
  /** The first number that is kept for others. */
  readonly #end: number;

  constructor(options: DescriptorGuardOptions) {
    const { limit = descriptorLimit() ?? Infinity, spare } = options;
    this.#shortage = new Shortage({ ...options, limit });
    this.#end = limit === Infinity ? Infinity : limit - spare(limit);
  }

  /** Whether there is no room for a socket that was just accepted. The system gives the lowest number that is free. */
  refuses(socket: Socket): boolean {
    const number = (socket as Numbered)._handle?.fd;
    if (number === undefined || number < this.#end) return false;
    this.#shortage.note();
    return true;
  }
}
