/** One visitor: waits for a connection, opens a visit on it, and is relayed until both directions are done. */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import { VisitResetError } from '../errors.ts';
import { breakOff, Relay, type RelayEnd } from '../relay/relay.ts';
import type { StallWatch } from '../relay/stall-watch.ts';
import type { Visit } from '../session/visit.ts';
import { isBeforeTarget, ResetCode } from '../wire/frame.ts';
import type { Bandwidth, RelayedVisit } from './bandwidth.ts';
import { VisitorLeft } from './refusal.ts';
import type { VisitorInfo, VisitSource } from './visit-pool.ts';

/** How often a visitor may meet a connection whose other side is just shutting it. */
const MAX_DRAINING = 3;

/** What is the same for all visitors of a tunnel. */
export interface VisitorRules {
  readonly source: VisitSource;
  readonly waitMs: number;
  readonly openTimeoutMs: number;
  readonly stallWatch: StallWatch;
  /** Undefined without limits. */
  readonly bandwidth: Bandwidth | undefined;
  readonly clock: Clock;
}

/** What a visitor's tunnel hears of it: opened or not, then ended once. */
export interface VisitorOwner {
  onOpened(visitor: Visitor, waitedMs: number): void;
  onEnd(visitor: Visitor, end: RelayEnd, error: Error | undefined): void;
  onRefused(visitor: Visitor, waitedMs: number, error: unknown): void;
}

export class Visitor {
  readonly startedAt: number;
  /** Where the visitor comes from, and what it connected to. */
  readonly info: VisitorInfo;
  readonly #socket: Socket;
  readonly #rules: VisitorRules;
  readonly #owner: VisitorOwner;
  #visit: Visit | undefined;
  #relay: Relay<RelayedVisit> | undefined;
  #opening: Timer | undefined;
  /** It has been tried at another client; it has met so many closing connections. */
  #moved = false;
  /** A target has it: what is turned away from now on was not served, and is not tried again. */
  #opened = false;
  #drained = 0;

  constructor(socket: Socket, info: VisitorInfo, rules: VisitorRules, owner: VisitorOwner) {
    this.#socket = socket;
    this.#rules = rules;
    this.#owner = owner;
    this.startedAt = rules.clock.now();
    this.info = info;
  }

  /** The visit on its connection; undefined while the visitor waits. */
  get visit(): Visit | undefined {
    return this.#visit;
  }

  /** The same as it is relayed. */
  get relayed(): RelayedVisit | undefined {
    return this.#relay?.visit;
  }

  start(): void {
    const visit = this.#rules.source.tryOpenVisit(this.info);
    if (visit === undefined) void this.#wait();
    else this.#carry(visit);
  }

  /** Breaks the visit off. */
  abort(reason: string): void {
    if (this.#relay === undefined) breakOff(this.#socket);
    else this.#relay.abort(ResetCode.internal, reason);
  }

  async #wait(): Promise<void> {
    const socket = this.#socket;
    const ignore = (): void => {};
    socket.on('error', ignore);
    try {
      const { source, waitMs } = this.#rules;
      const visit = await this.#whileThere((signal) => source.openVisit(this.info, { timeoutMs: waitMs, signal }));
      if (socket.destroyed) {
        visit.reset(ResetCode.visitorLeft);
        throw new VisitorLeft();
      }
      this.#carry(visit);
      socket.off('error', ignore);
    } catch (error) {
      breakOff(socket);
      this.#owner.onRefused(this, this.#rules.clock.now() - this.startedAt, error);
    }
  }

  /** Waits for a connection as long as the visitor does. */
  async #whileThere(open: (signal: AbortSignal) => Promise<Visit>): Promise<Visit> {
    const left = new AbortController();
    const onClose = (): void => left.abort(new VisitorLeft());
    this.#socket.on('close', onClose);
    try {
      return await open(left.signal);
    } finally {
      this.#socket.off('close', onClose);
    }
  }

  #carry(visit: Visit): void {
    const { clock, stallWatch } = this.#rules;
    this.#relay = new Relay<RelayedVisit>({
      socket: this.#socket,
      visit: this.#adopt(visit),
      stallWatch,
      brokenCode: () => ResetCode.visitorLeft,
      stalledCode: ResetCode.stalled,
      onOpened: () => {
        this.#opened = true;
        clock.clearTimeout(this.#opening);
      },
      onReset: (error) => this.#moveOn(error),
      onEnd: (end, error) => {
        clock.clearTimeout(this.#opening);
        this.#owner.onEnd(this, end, error);
      },
    });
    this.#owner.onOpened(this, clock.now() - this.startedAt);
  }

  /** From here on the other side has its time to say something about the visit. */
  #adopt(visit: Visit): RelayedVisit {
    const { clock, openTimeoutMs, bandwidth } = this.#rules;
    this.#visit = visit;
    clock.clearTimeout(this.#opening);
    // A visitor who has left has no use for it, and the relay resets it.
    if (!this.#socket.destroyed) this.#opening = clock.setTimeout(() => visit.abandon(), openTimeoutMs);
    return bandwidth === undefined ? visit : bandwidth.entering(visit);
  }

  /**
   * Another visit for a visitor who was turned away before a byte reached a target: on any connection when the first
   * was just being closed, and once at another client otherwise.
   */
  #moveOn(error: Error): Promise<RelayedVisit> | undefined {
    const before = !this.#opened && error instanceof VisitResetError && isBeforeTarget(error.resetCode);
    if (!before) return undefined;
    const { source, clock, waitMs } = this.#rules;
    clock.clearTimeout(this.#opening);
    const draining = error.resetCode === ResetCode.draining;
    if (draining) this.#drained += 1;
    if (draining ? this.#drained > MAX_DRAINING : this.#moved) return undefined;
    this.#moved ||= !draining;
    const refused = this.#visit;
    const opened = this.#whileThere((signal) => {
      if (draining || refused === undefined) return source.openVisit(this.info, { timeoutMs: waitMs, signal });
      // What it has waited so far counts; at once is always worth a try.
      const timeoutMs = Math.max(0, waitMs - (clock.now() - this.startedAt));
      const elsewhere = source.openElsewhere(this.info, refused, { timeoutMs, signal });
      // Whoever does not find one was turned away by the target, whatever came of looking further.
      return elsewhere?.catch(() => Promise.reject(error)) ?? Promise.reject(error);
    });
    return opened.then((visit) => this.#adopt(visit));
  }
}
