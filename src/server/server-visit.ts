/** One visitor: waits for a connection, opens a visit on it, and is relayed until both directions are done. */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../shared/clock.ts';
import { localOf, remoteOf } from '../shared/net/address.ts';
import { Relay, type RelayEnd } from '../shared/relay/relay.ts';
import type { StallWatch } from '../shared/relay/stall-watch.ts';
import type { Visit } from '../shared/session/visit.ts';
import { ResetCode } from '../shared/wire/frame.ts';
import type { ServerPool, VisitorInfo } from './server-pool.ts';

/** What is the same for all visitors of a tunnel. */
export interface VisitRules {
  readonly pool: ServerPool;
  readonly waitMs: number;
  readonly openTimeoutMs: number;
  readonly stallWatch: StallWatch;
  readonly clock: Clock;
}

/** What a visitor's tunnel hears of it: opened or not, then ended once. */
export interface ServerVisitOwner {
  onOpened(visit: ServerVisit, waitedMs: number): void;
  onEnd(visit: ServerVisit, end: RelayEnd, error: Error | undefined): void;
  onRefused(visit: ServerVisit, waitedMs: number, error: unknown): void;
}

export class ServerVisit {
  readonly startedAt: number;
  /** Where the visitor comes from, and what it connected to. */
  readonly visitor: VisitorInfo;
  readonly #socket: Socket;
  readonly #rules: VisitRules;
  readonly #owner: ServerVisitOwner;
  #visit: Visit | undefined;
  #relay: Relay | undefined;
  #opening: Timer | undefined;

  constructor(socket: Socket, rules: VisitRules, owner: ServerVisitOwner) {
    this.#socket = socket;
    this.#rules = rules;
    this.#owner = owner;
    this.startedAt = rules.clock.now();
    this.visitor = { remote: remoteOf(socket), local: localOf(socket) };
  }

  /** The visit on its connection; undefined while the visitor waits. */
  get visit(): Visit | undefined {
    return this.#visit;
  }

  start(): void {
    const visit = this.#rules.pool.tryOpenVisit(this.visitor);
    if (visit === undefined) void this.#wait();
    else this.#carry(visit);
  }

  /** Breaks the visit off. */
  abort(): void {
    if (this.#relay === undefined) this.#socket.resetAndDestroy();
    else this.#relay.abort(ResetCode.internal, 'the server is shutting down');
  }

  async #wait(): Promise<void> {
    const { pool, waitMs, clock } = this.#rules;
    const socket = this.#socket;
    const left = new AbortController();
    const onClose = (): void => left.abort(new Error('the visitor left'));
    const onError = (): void => {};
    socket.on('close', onClose).on('error', onError);
    try {
      const visit = await pool.openVisit(this.visitor, { timeoutMs: waitMs, signal: left.signal });
      socket.off('close', onClose);
      this.#carry(visit);
      socket.off('error', onError);
    } catch (error) {
      socket.resetAndDestroy();
      this.#owner.onRefused(this, clock.now() - this.startedAt, error);
    }
  }

  #carry(visit: Visit): void {
    const { clock, openTimeoutMs, stallWatch } = this.#rules;
    this.#visit = visit;
    this.#opening = clock.setTimeout(() => visit.abandon(), openTimeoutMs);
    this.#relay = new Relay({
      socket: this.#socket,
      visit,
      stallWatch,
      brokenCode: () => ResetCode.visitorLeft,
      stalledCode: ResetCode.stalled,
      onOpened: () => clock.clearTimeout(this.#opening),
      onEnd: (end, error) => {
        clock.clearTimeout(this.#opening);
        this.#owner.onEnd(this, end, error);
      },
    });
    this.#owner.onOpened(this, clock.now() - this.startedAt);
  }
}
