import type { Clock } from '../clock.ts';
import { isShortage } from '../net/shortage.ts';
import { Backoff } from '../resilience/backoff.ts';

/** Without checks: how long a target that is down is left alone before a visit tries it, ms, growing to the second. */
const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;

export interface HealthRules {
  /** Whether checks say how the target is. Otherwise only connects do, and the next two count as 1. */
  readonly checked: boolean;
  /** So many checks in a row must pass for a target that is down to be up again. */
  readonly rise: number;
  /** So many in a row must fail for a target to be down. */
  readonly fall: number;
  /** Whether the first check is enough for that, as long as none has passed. Default false. */
  readonly isUnsure?: boolean;
  readonly clock: Clock;
  /** Random numbers in [0, 1). */
  readonly random: () => number;
}

/** Who hears that a target has changed. */
export interface HealthOwner {
  onDown(error: Error): void;
  onUp(): void;
  /** It could not be asked or connected, for want of descriptors on this side. */
  onShort(): void;
}

/** `avoided`: a connect has failed, which counts as a failed check; the next check decides. */
type State = 'up' | 'avoided' | 'down';

/**
 * Whether visits go to a target: what its checks say, and connects that fail. With checks, only a check brings it back:
 * a service that accepts connections may still be ill. Without, one visit at a time tries it after a pause.
 */
export class TargetHealth {
  readonly #rules: HealthRules;
  readonly #owner: HealthOwner;
  readonly #backoff: Backoff;
  #state: State = 'up';
  #passes = 0;
  #failures = 0;
  /** From when on a visit may try a target that is down, the clock's time. */
  #tryAt = Infinity;

  /** @param isDown whether it is known to be, by others' rules: checks have to pass before it is up */
  constructor(rules: HealthRules, owner: HealthOwner, isDown = false) {
    if (isDown) this.#state = 'down';
    if (rules.isUnsure === true) this.#failures = rules.fall - 1;
    this.#rules = rules.checked ? rules : { ...rules, rise: 1, fall: 1 };
    this.#owner = owner;
    this.#backoff = new Backoff({ baseMs: MIN_PAUSE_MS, random: rules.random });
  }

  get up(): boolean {
    return this.#state === 'up';
  }

  /** Whether a visit should go there: it is up, or it is time to try. */
  get usable(): boolean {
    return this.up || this.#rules.clock.now() >= this.#tryAt;
  }

  /** A visit goes there. If it is one that tries a target that is down, the next one tries after another pause. */
  claim(): void {
    if (!this.up && this.usable) this.#pause();
  }

  /** The target was connected. */
  reached(): void {
    if (!this.#rules.checked && this.#state !== 'up') this.passed();
  }

  /** It could not be connected. Those that were under way with the first one say nothing new. */
  unreached(error: Error): void {
    if (isShortage(error)) return this.#owner.onShort();
    if (this.#state !== 'up') return;
    this.#state = 'avoided';
    this.failed(error);
  }

  /** A check has passed. */
  passed(): void {
    this.#failures = 0;
    const wasDown = this.#state === 'down';
    if (wasDown && ++this.#passes < this.#rules.rise) return;
    this.#state = 'up';
    this.#tryAt = Infinity;
    this.#backoff.reset();
    if (wasDown) this.#owner.onUp();
  }

  /** A check has failed. */
  failed(error: Error): void {
    if (isShortage(error)) return this.#owner.onShort();
    this.#passes = 0;
    if (this.#state === 'down' || ++this.#failures < this.#rules.fall) return;
    this.#state = 'down';
    this.#pause();
    this.#owner.onDown(error);
  }

  #pause(): void {
    const { checked, clock } = this.#rules;
    if (!checked) this.#tryAt = clock.now() + Math.max(MIN_PAUSE_MS, this.#backoff.next(MAX_PAUSE_MS));
  }
}
