/**
 * Turns connections away while the process can still do so. At the limit itself nobody would be asked: libuv gives up a
 * descriptor that it keeps for that, accepts whoever waits and closes them in order, as if they had been served, and
 * Node says nothing; when another thread takes that descriptor meanwhile, the event loop spins.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { DescriptorsError } from '../errors.ts';
import { descriptorLimit } from './descriptor-limit.ts';

/** The shortage is over, and is news when it comes again, after nobody was turned away for so long, ms. */
const QUIET_MS = 10_000;

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
  readonly #options: DescriptorGuardOptions;
  readonly #limit: number;
  /** The first number that is kept for others. */
  readonly #end: number;
  #refusedAt = -Infinity;

  constructor(options: DescriptorGuardOptions) {
    const { limit = descriptorLimit() ?? Infinity, spare } = options;
    this.#options = options;
    this.#limit = limit;
    this.#end = limit === Infinity ? Infinity : limit - spare(limit);
  }

  /** Whether there is no room for a socket that was just accepted. The system gives the lowest number that is free. */
  refuses(socket: Socket): boolean {
    const number = (socket as Numbered)._handle?.fd;
    if (number === undefined || number < this.#end) return false;
    const { who, clock, onShort } = this.#options;
    const now = clock.now();
    const isNews = now - this.#refusedAt >= QUIET_MS;
    this.#refusedAt = now;
    if (isNews) onShort(new DescriptorsError(who, this.#limit));
    return true;
  }
}
