/** Tells clients that visitors wait (docs/protocol.md, DEMAND). */
import type { Clock, Timer } from '../shared/clock.ts';
import type { Load } from '../shared/load-meter.ts';
import { spareShare } from '../shared/policy/spare.ts';
import type { Session } from '../shared/session/session.ts';

/** The shortest time between two rounds of DEMAND, ms. */
const PAUSE_MS = 50;

export class Demand {
  readonly #clock: Clock;
  readonly #waiting: () => number;
  readonly #load: Load;
  /** The sessions of each client process. */
  readonly #clients = new Map<string, Set<Session>>();
  #timer: Timer | undefined;

  /**
   * @param waiting how many wait now
   * @param load how busy this process is: when it cannot keep up, more connections would not help
   */
  constructor(clock: Clock, waiting: () => number, load: Load) {
    this.#clock = clock;
    this.#waiting = waiting;
    this.#load = load;
  }

  add(session: Session): void {
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
    const waiting = spareShare(this.#waiting(), this.#load.busy);
    if (waiting === 0 || this.#clients.size === 0) return;
    const share = Math.ceil(waiting / this.#clients.size);
    for (const sessions of this.#clients.values()) this.#bestOf(sessions)?.demand(share);
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.raise();
    }, PAUSE_MS);
    this.#timer.unref?.();
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
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
