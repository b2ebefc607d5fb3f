/** A process or a system without free descriptors: whatever fails for it says nothing about who was to be reached. */
import type { Clock } from '../clock.ts';
import { DescriptorsError } from '../errors.ts';
import { descriptorLimit } from './descriptor-limit.ts';

/** The shortage is over, and is news when it comes again, after nothing was lacking for so long, ms. */
const QUIET_MS = 10_000;

const CODES: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE']);

/** Whether an error, or what caused it, says that this machine had no descriptor for a new socket. */
export function isShortage(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } | null };
  return CODES.has(code) || CODES.has(cause?.code);
}

export interface ShortageOptions {
  /** Who does without, and what becomes of them, for the error. */
  readonly who: string;
  readonly fate?: string | undefined;
  readonly clock: Clock;
  /** Told once for each shortage. */
  readonly onShort: (error: DescriptorsError) => void;
  /** Default: what the system says. */
  readonly limit?: number | undefined;
}

/** Tells a shortage once, however many lack a descriptor meanwhile. */
export class Shortage {
  readonly #options: ShortageOptions;
  readonly #limit: number | undefined;
  #notedAt = -Infinity;

  constructor(options: ShortageOptions) {
    this.#options = options;
    // To ask takes a descriptor, too.
    this.#limit = options.limit ?? descriptorLimit();
  }

  /** Somebody lacked a descriptor. */
  note(): void {
    const { who, fate, clock, onShort } = this.#options;
    const now = clock.now();
    const isNews = now - this.#notedAt >= QUIET_MS;
    this.#notedAt = now;
    if (isNews) onShort(new DescriptorsError(who, this.#limit, fate));
  }
}
