/** Proves idle sessions alive, or finds out that they are not (docs/protocol.md, "Liveness"). */
import { type Clock, lookLater, type Timer } from '../clock.ts';
import type { Session } from './session.ts';

export interface LivenessOptions {
  readonly clock: Clock;
  /** How long a session may be silent before it is asked, ms; 0 switches everything off. */
  readonly keepAliveMs: number;
  /** How long the answer may take, ms; during a visit, where the answer stands behind the visit's bytes: 0 for ever. */
  readonly keepAliveTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /**
   * `ping` asks and waits for the answer: the dialling side. `reap` waits twice as long, and asks only in a visit. After a
   * jump of time both ask.
   */
  readonly mode: 'ping' | 'reap';
  /** Random numbers in [0, 1). */
  readonly random: () => number;
}

/** How many looks fall into one interval, and the bounds of the time between two, ms. */
const LOOKS = 10;
const MIN_LOOK_MS = 50;
const MAX_LOOK_MS = 1000;

/** The part of the interval over which the first questions of sessions made together are spread. */
const SPREAD = 0.3;

/**
 * A visit of datagrams is read all the time, so its answer comes behind what is on its way and no later: within so many
 * times the patience with an idle session, in which even a slow path moves the little that may be unsent.
 */
const FLOWING_PATIENCE = 4;

interface Watch {
  /** Extra patience of this session, subtracted from the interval, ms. */
  readonly earlierMs: number;
  /** When it was asked; undefined while no answer is due. */
  askedAt: number | undefined;
}

/** One timer for all sessions of a pool. */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #sessions = new Map<Session, Watch>();
  #keepAliveMs: number;
  #timer: Timer | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#keepAliveMs = options.keepAliveMs;
  }

  /** Asks at least as often as the server wants, ms: it gives up who is silent for longer. 0 has no say. */
  limit(keepAliveMs: number): void {
    if (keepAliveMs > 0) this.#keepAliveMs = Math.min(this.#keepAliveMs || keepAliveMs, keepAliveMs);
  }

  add(session: Session): void {
    if (this.#keepAliveMs === 0) return;
    const earlierMs = this.#options.random() * SPREAD * this.#keepAliveMs;
    this.#sessions.set(session, { earlierMs, askedAt: undefined });
    this.#timer ??= this.#start();
  }

  delete(session: Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.stop();
  }

  /** Asks the idle sessions of a client now: another one of it does not answer. */
  suspect(client: string): void {
    const now = this.#options.clock.now();
    for (const [session, watch] of this.#sessions) {
      if (session.visit !== undefined || session.greeted.client !== client) continue;
      // Who is asked again before it has answered would have its time begin anew.
      if (!owesAnswer(session, watch)) this.#ask(session, watch, now);
    }
  }

  /** Asks everybody now, who has a visit among them; {@link silentSince} says what came of it. */
  askAll(): void {
    const now = this.#options.clock.now();
    for (const [session, watch] of this.#sessions) {
      if (isHeld(session) || owesAnswer(session, watch)) continue;
      // In a visit nobody is closed for it: the answer may stand behind what a slow target has not read.
      if (session.visit === undefined) this.#ask(session, watch, now);
      else session.ping();
    }
  }

  /** Whether nobody was heard since then, and everybody could have been. False while there is nobody, or nothing is watched. */
  silentSince(then: number): boolean {
    if (this.#sessions.size === 0) return false;
    for (const session of this.#sessions.keys()) if (session.lastHeardAt >= then || isHeld(session)) return false;
    return true;
  }

  stop(): void {
    this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(): Timer {
    const period = Math.min(Math.max(this.#keepAliveMs / LOOKS, MIN_LOOK_MS), MAX_LOOK_MS);
    return lookLater(this.#options.clock, period, (jumped) => {
      this.#timer = this.#start();
      this.#look(jumped);
    });
  }

  /** @param jumped time has passed in which nothing could be heard: nobody is judged by it, and who is idle is asked */
  #look(jumped: boolean): void {
    const now = this.#options.clock.now();
    for (const [session, watch] of [...this.#sessions]) {
      if (!owesAnswer(session, watch)) watch.askedAt = undefined;
      else if (jumped) watch.askedAt = now;
      if (isHeld(session)) continue;
      if (jumped && session.visit === undefined) this.#ask(session, watch, now);
      else this.#judge(session, watch, now);
    }
  }

  #judge(session: Session, watch: Watch, now: number): void {
    const { mode } = this.#options;
    const patienceMs = this.#patienceWith(session);
    const silentMs = now - session.lastHeardAt;
    if (watch.askedAt !== undefined) {
      if (now - watch.askedAt >= patienceMs) session.close('keep-alive-timeout');
    } else if (mode === 'reap') {
      if (silentMs < 2 * this.#keepAliveMs) return;
      // A silent visit may have nothing to say.
      if (session.visit === undefined) session.close('keep-alive-timeout');
      else this.#ask(session, watch, now);
    } else if (silentMs >= this.#keepAliveMs - watch.earlierMs) {
      this.#ask(session, watch, now);
    }
  }

  #patienceWith({ visit }: Session): number {
    const { keepAliveTimeoutMs, stallTimeoutMs } = this.#options;
    if (visit === undefined) return keepAliveTimeoutMs;
    return visit.flowing ? FLOWING_PATIENCE * keepAliveTimeoutMs : stallTimeoutMs || Infinity;
  }

  #ask(session: Session, watch: Watch, now: number): void {
    watch.askedAt = now;
    session.ping();
  }
}

/** A session that is not read, because its visit's receiver is slow, says nothing about its peer. */
function isHeld({ paused, unsent, visit }: Session): boolean {
  return paused || (visit !== undefined && !visit.flowing && unsent > 0);
}

/** Whether a session was asked and has not been heard since. */
function owesAnswer(session: Session, { askedAt }: Watch): boolean {
  return askedAt !== undefined && session.lastHeardAt < askedAt;
}
