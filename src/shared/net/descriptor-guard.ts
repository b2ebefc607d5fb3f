/**
 * Turns connections away while the process can still do so. At the limit itself nobody would be asked: libuv gives up a
 * descriptor that it keeps for that, accepts whoever waits and closes them in order, as if they had been served, and
 * Node says nothing; when another thread takes that descriptor meanwhile, the event loop spins.
 */
import type { Socket } from 'node:net';
import { descriptorLimit } from './descriptor-limit.ts';
import { Shortage, type ShortageOptions } from './shortage.ts';

/** The number that the system gave a socket; Node has no public way to ask. */
interface Numbered {
  readonly _handle?: { readonly fd?: number } | null;
}

/** `who` is kept out. */
export interface DescriptorGuardOptions extends ShortageOptions {
  /** How many of the limit are kept for others. */
  readonly spare: (limit: number) => number;
}

export class DescriptorGuard {
  readonly #shortage: Shortage;
  /** The first number that is kept for others. */
  readonly #end: number;

  constructor(options: DescriptorGuardOptions) {
    const { limit = descriptorLimit(), spare } = options;
    this.#shortage = new Shortage({ ...options, limit });
    this.#end = limit === undefined ? Infinity : limit - spare(limit);
  }

  /** Whether there is no room for a socket that was just accepted. */
  refuses(socket: Socket): boolean {
    return this.excess(socket) > 0;
  }

  /**
   * How many sockets must go for one that was just accepted to stay; 0 when there is room. The system gives the lowest
   * number that is free, so all below it are taken.
   */
  excess(socket: Socket): number {
    const number = (socket as Numbered)._handle?.fd;
    if (number === undefined || number < this.#end) return 0;
    this.#shortage.note();
    return number - this.#end + 1;
  }
}
