/** Tells clients that visitors wait (docs/protocol.md, DEMAND). */
import type { Clock, Timer } from '../shared/clock.ts';
import type { Load } from '../shared/load-meter.ts';
import { leastLately, unservedByThen } from '../shared/policy/little.ts';
import { spareShare } from '../shared/policy/spare.ts';
import type { Session } from '../shared/session/session.ts';

/** The shortest time between two rounds of DEMAND, ms. */
const PAUSE_MS = 50;

/** What the demand is judged by. */
export interface DemandLevel {
  /** How many wait for a connection. */
  readonly waiting: number;
  /** Connections handed out so far. */
  readonly acquired: number;
}

export class Demand {
  readonly #clock: Clock;
  readonly #level: () => DemandLevel;
  readonly #load: Load;
  /** The sessions of each client process. */
  readonly #clients = new Map<string, Set<Session>>();
  #timer: Timer | undefined;
  /** When was asked last, and what had been handed out then. */
  #askedAt = -Infinity;
  #acquiredBefore = 0;
  #handshakeMs: number | undefined;

  /**
   * @param level the pool's numbers now
   * @param load how busy this process is: when it cannot keep up, more connections would not help
   */
  constructor(clock: Clock, level: () => DemandLevel, load: Load) {
    this.#clock = clock;
    this.#level = level;
    this.#load = load;
  }

  /** @param handshakeMs from the accept to here */
  add(session: Session, handshakeMs: number): void {
    this.#handshakeMs = leastLately(this.#handshakeMs, handshakeMs);
    const { client } = session.greeted;
    const sessions = this.#clients.get(client);
    if (sessions === undefined) this.#clients.set(client, new Set([session]));
    else sessions.add(session);
  }

  delete(session: Session): void {
    const { client } = session.greeted;
    const sessions = this.#clients.get(client);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#clients.delete(client);
  }

  /** Somebody waits. Asks now, and again as long as somebody does. */
  raise(): void {
    if (this.#timer !== undefined) return;
    if (this.#level().waiting === 0 || this.#clients.size === 0) return;
    const share = Math.ceil(spareShare(this.#lacking(), this.#load.busy) / this.#clients.size);
    if (share > 0) for (const sessions of this.#clients.values()) this.#bestOf(sessions)?.demand(share);
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.raise();
    }, PAUSE_MS);
    this.#timer.unref?.();
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  /** How many connections those who wait need beyond those that come back to them anyway. */
  #lacking(): number {
    const { waiting, acquired } = this.#level();
    const now = this.#clock.now();
    const ratePerSecond = ((acquired - this.#acquiredBefore) / (now - this.#askedAt)) * 1000;
    this.#askedAt = now;
    this.#acquiredBefore = acquired;
    return unservedByThen(waiting, ratePerSecond, this.#handshakeMs ?? 0);
  }

  /** An idle session, else the one with the least in front of the frame. */
  #bestOf(sessions: ReadonlySet<Session>): Session | undefined {
    let best: Session | undefined;
    for (const session of sessions) {
      if (session.visit === undefined) return session;
      if (best === undefined || session.unsent < best.unsent) best = session;
    }
    return best;
  }
}
