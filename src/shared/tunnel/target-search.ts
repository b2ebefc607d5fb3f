import type { Clock } from '../clock.ts';
import { TargetError } from '../errors.ts';
import { isShortage } from '../net/shortage.ts';
import type { RelayEnd, RelayHandler } from '../relay/relay.ts';
import type { Visit } from '../session/visit.ts';
import { connectTarget, type TargetConnection } from './target.ts';
import type { Target, Targets } from './targets.ts';
import type { WarmConnection } from './warm-sockets.ts';

/** With less time left no other target is tried, ms: it would be blamed for what the others have used up. */
const MIN_DIAL_MS = 10;

/** Who hears how a search ends; once. */
export interface SearchOwner {
  /** The target is connected. The visit has another handler from here on, which hears by {@link TargetSearch.tell}. */
  onFound(search: TargetSearch, target: Target, found: WarmConnection): void;
  /** The visit has been reset: there is no target for it, or it was given up. */
  onLost(search: TargetSearch, end: RelayEnd, error: Error | undefined): void;
}

/**
 * A visit on its way to one of several targets: when one cannot be connected, it goes to the next. What the visitor says
 * meanwhile is kept (no more than 64 KiB come before OPENED), so that one target gets all of it.
 */
export class TargetSearch implements RelayHandler {
  readonly visit: Visit;
  readonly startedAt: number;
  readonly #targets: Targets;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #owner: SearchOwner;
  readonly #tried = new Set<Target>();
  /** The connection under way; undefined before the first and after the last. */
  #dial: { readonly target: Target; readonly connection: TargetConnection } | undefined;
  #over = false;
  /** What the visitor has said. */
  readonly #kept: Buffer[] = [];
  #ended = false;

  /** @param timeoutMs for all targets together */
  constructor(visit: Visit, targets: Targets, timeoutMs: number, clock: Clock, owner: SearchOwner) {
    this.visit = visit;
    this.startedAt = clock.now();
    this.#targets = targets;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Goes to `target`, which the visit has entered, and from there on. */
  start(target: Target): void {
    this.#connect(target);
    this.visit.handler = this;
  }

  /** Breaks the visit off. */
  abort(code: number, message: string): void {
    this.visit.reset(code, message);
    this.#lose('broken', undefined);
  }

  /** Tells a handler what the visit has said to this one. */
  tell(handler: RelayHandler): void {
    for (const piece of this.#kept) handler.onData(piece);
    if (this.#ended) handler.onEnd();
  }

  onOpened(): void {
    // Openers only.
  }

  onData(piece: Buffer): void {
    this.#kept.push(piece);
  }

  onEnd(): void {
    this.#ended = true;
  }

  onReset(error: Error): void {
    this.#lose('reset', error);
  }

  onDrain(): void {
    // Nothing is written before the target is there.
  }

  get #leftMs(): number {
    return this.startedAt + this.#timeoutMs - this.#clock.now();
  }

  #connect(target: Target): void {
    // A target that is silent leaves time for the others.
    const timeoutMs = this.#leftMs / this.#targets.choices(target, this.#tried);
    this.#tried.add(target);
    const connection = connectTarget(target.address, timeoutMs, this.#clock, () => {
      connection.socket.off('error', ignore).off('close', failed);
      target.reached();
      this.#find(target, { connection, banner: [] });
    });
    const failed = (): void => this.#failed(target, connection);
    connection.socket.on('error', ignore).on('close', failed);
    this.#dial = { target, connection };
  }

  #failed(target: Target, connection: TargetConnection): void {
    if (this.#over) return;
    const error = connection.socket.errored ?? new TargetError('the connection to the target was closed');
    this.#dial = undefined;
    target.unreached(error);
    target.leave();
    // What one target cannot be dialled for the others cannot either.
    const hopeless = this.#leftMs < MIN_DIAL_MS || isShortage(error);
    const next = hopeless ? undefined : this.#targets.next(this.#tried);
    if (next === undefined) {
      this.visit.reset(connection.codeOf(error));
      return this.#lose('broken', error);
    }
    const ready = next.enter();
    if (ready === undefined) this.#connect(next);
    else this.#find(next, ready);
  }

  #find(target: Target, found: WarmConnection): void {
    this.#over = true;
    this.#owner.onFound(this, target, found);
  }

  #lose(end: RelayEnd, error: Error | undefined): void {
    this.#over = true;
    this.#dial?.target.leave();
    this.#dial?.connection.socket.destroy();
    this.#owner.onLost(this, end, error);
  }
}

function ignore(): void {}
