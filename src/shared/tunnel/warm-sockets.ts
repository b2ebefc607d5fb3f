/** Connections to one target that are there before a visit comes: dialled in the background, and each used once. */
import type { Clock, Timer } from '../clock.ts';
import type { Address } from '../net/address.ts';
import { Backoff } from '../resilience/backoff.ts';
import { connectTarget, type TargetConnection } from './target.ts';

/** The most dials under way to one target. */
const MAX_DIALS = 4;

/** The longest pause after failed dials, ms. */
const MAX_PAUSE_MS = 30_000;

/** A connection that the target closes sooner counts as a failed dial, ms: it wants none that it does not serve. */
const SHORT_LIFE_MS = 1000;

/** The part of its time by which a connection may be replaced earlier, so that not all are at once. */
const SPREAD = 0.2;

/** What a target says before anybody asks is kept up to here, bytes; then it is not read any further. */
const MAX_BANNER_BYTES = 64 * 1024;

export interface WarmRules {
  /** Connections kept ready. */
  readonly count: number;
  /** One that was not used for so long is replaced, ms, at least 2000: who is in between may have forgotten it. */
  readonly idleMs: number;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  /** Random numbers in [0, 1). */
  readonly random: () => number;
}

/** Who hears how the dials went. */
export interface WarmOwner {
  reached(): void;
  unreached(error: Error): void;
}

/** A connection that is ready. Whoever takes it listens to its socket at once. */
export interface WarmConnection {
  readonly connection: TargetConnection;
  /** What the target has said so far. */
  readonly banner: readonly Buffer[];
}

const ignore = (): void => {};

/** One that waits. It is read all the time, so that its end is noticed. */
class Waiting implements WarmConnection {
  readonly connection: TargetConnection;
  readonly banner: Buffer[] = [];
  readonly since: number;
  timer: Timer | undefined;
  readonly #onLost: (waiting: Waiting) => void;
  #bytes = 0;

  constructor(connection: TargetConnection, now: number, onLost: (waiting: Waiting) => void) {
    this.connection = connection;
    this.since = now;
    this.#onLost = onLost;
    connection.socket.on('data', this.#keep).on('end', this.#lost).on('close', this.#lost);
  }

  /** Listens no longer. */
  release(): void {
    const { socket } = this.connection;
    socket.off('data', this.#keep).off('end', this.#lost).off('close', this.#lost).off('error', ignore);
    socket.resume();
  }

  readonly #keep = (chunk: Buffer): void => {
    this.banner.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= MAX_BANNER_BYTES) this.connection.socket.pause();
  };

  readonly #lost = (): void => this.#onLost(this);
}

export class WarmSockets {
  readonly #address: Address;
  readonly #rules: WarmRules;
  readonly #owner: WarmOwner;
  readonly #backoff: Backoff;
  readonly #dials = new Set<TargetConnection>();
  /** The newest last. */
  #ready: Waiting[] = [];
  #pause: Timer | undefined;
  #stopped = false;

  constructor(address: Address, rules: WarmRules, owner: WarmOwner) {
    this.#address = address;
    this.#rules = rules;
    this.#owner = owner;
    this.#backoff = new Backoff({ random: rules.random });
  }

  /** Connections that a visit could have at once. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Begins to dial. */
  start(): void {
    this.#fill();
  }

  /** Closes what is ready and what is under way. */
  stop(): void {
    this.#stopped = true;
    this.#rules.clock.clearTimeout(this.#pause);
    for (const waiting of this.#ready.splice(0)) this.#close(waiting);
    for (const { socket } of this.#dials) socket.destroy();
  }

  /** The newest one, which its target is least likely to have given up; undefined when there is none. */
  take(): WarmConnection | undefined {
    const waiting = this.#ready.pop();
    if (waiting === undefined) return undefined;
    this.#rules.clock.clearTimeout(waiting.timer);
    waiting.release();
    this.#backoff.reset();
    this.#fill();
    return waiting;
  }

  #fill(): void {
    const { count } = this.#rules;
    while (this.#mayDial && this.#ready.length + this.#dials.size < count) this.#dial();
  }

  get #mayDial(): boolean {
    return !this.#stopped && this.#pause === undefined && this.#dials.size < MAX_DIALS;
  }

  #dial(): void {
    const { connectTimeoutMs, clock } = this.#rules;
    const connection = connectTarget(this.#address, connectTimeoutMs, clock, () => {
      this.#dials.delete(connection);
      socket.off('close', closed);
      this.#keep(connection);
      this.#owner.reached();
      this.#fill();
    });
    const { socket } = connection;
    const closed = (): void => {
      this.#dials.delete(connection);
      if (this.#stopped) return;
      this.#rest();
      if (socket.errored !== null) this.#owner.unreached(socket.errored);
    };
    this.#dials.add(connection);
    socket.on('error', ignore).on('close', closed);
  }

  #keep(connection: TargetConnection): void {
    const { idleMs, clock, random } = this.#rules;
    const waiting = new Waiting(connection, clock.now(), (lost) => this.#leave(lost));
    waiting.timer = clock.setTimeout(() => this.#leave(waiting), idleMs * (1 - random() * SPREAD));
    this.#ready.push(waiting);
  }

  /** Its time is over, the target has closed it, or it broke. */
  #leave(waiting: Waiting): void {
    this.#ready = this.#ready.filter((other) => other !== waiting);
    this.#close(waiting);
    if (this.#rules.clock.now() - waiting.since < SHORT_LIFE_MS) this.#rest();
    else this.#backoff.reset();
    this.#fill();
  }

  #close(waiting: Waiting): void {
    this.#rules.clock.clearTimeout(waiting.timer);
    const { socket } = waiting.connection;
    waiting.release();
    socket.on('error', ignore).destroy();
  }

  /** Dials no more for a while. */
  #rest(): void {
    const { clock } = this.#rules;
    this.#pause ??= clock.setTimeout(() => {
      this.#pause = undefined;
      this.#fill();
    }, this.#backoff.next(MAX_PAUSE_MS));
  }
}
