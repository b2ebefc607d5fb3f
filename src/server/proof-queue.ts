/**
 * When proofs are judged: at once, but for strangers at an address that has failed too often, whose proofs wait.
 *
 * A guesser must not be fast, and a real client must not suffer for a guesser behind the same NAT. Refusing, delaying the
 * connections of an address or answering only wrong proofs late all fail one of the two: the first two lock the client
 * out, and in the third a guesser who gets no answer at once knows enough, hangs up and guesses again. So what is
 * rationed is the judging itself, and what sets a real client apart is what no guesser can have:
 *
 * - Whoever was let in is known by the token and by the 128 random bits that name its process (`client` in HELLO), and is
 *   judged at once from then on, at whatever address. A guess at another token has another `kid`, so it gains nothing
 *   there, not even for somebody with a good token of his own, who also pushes out nobody who is known by another. A client that loses its connections during an attack is
 *   back as fast as ever.
 * - A new client is a stranger like the others: until it has proved itself nothing tells them apart. One of those waiting
 *   is drawn by lot at each turn, so that its chance does not depend on who came first or is most stubborn; as it dials
 *   eight connections at once, and one that is drawn lets the others in, it waits about (guessers + 8) / 8 turns: 0.4 s with
 *   20 that guess at once, 0.5 to 2.7 s with 120, which fill all places of their address.
 * - Nobody is judged who has hung up, so a guess takes one of the places of its address until its turn.
 * - What a client says again within a second of a wrong proof is refused without being judged ({@link RecentRefusals}).
 *
 * A success does not forgive its address: a good token of one's own would buy guesses at the others'.
 */
import type { Clock, Timer } from '../shared/clock.ts';
import { FailedAddresses } from './failed-addresses.ts';
import { type Caller, KnownClients } from './known-clients.ts';
import { RecentRefusals } from './recent-refusals.ts';

/** So long after its accept a client without a turn is told to come back, while it still listens (5 s by default), ms. */
const MAX_WAIT_MS = 4000;

/** One HELLO that wants to be judged. */
export interface Proof {
  readonly address: string;
  readonly caller: Caller;
  /** When its connection was accepted, the clock's ms. */
  readonly since: number;
  readonly judge: () => void;
  /** Ends the connection as one whose proof is wrong. */
  readonly refuse: () => void;
  /** Ends the connection, because its turn does not come in time. */
  readonly giveUp: () => void;
}

/** The proofs that wait at one address. */
interface Line {
  readonly waiting: Proof[];
  /** No turn before this, the clock's ms. */
  nextAt: number;
}

export interface ProofQueueOptions {
  readonly clock: Clock;
  readonly random: () => number;
}

export class ProofQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #failed = new FailedAddresses();
  readonly #known = new KnownClients();
  readonly #refused = new RecentRefusals();
  /** Of the slowed addresses at which somebody waits, or had a turn just now. */
  readonly #lines = new Map<string, Line>();
  #timer: Timer | undefined;
  #waiting = 0;
  #failures = 0;

  constructor({ clock, random }: ProofQueueOptions) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Proofs that wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }
  /** Wrong proofs so far, and those that were refused like one just before. */
  get failures(): number {
    return this.#failures;
  }
  /** Addresses that are slowed now. */
  get slowed(): number {
    return this.#failed.slowed(this.#clock.now());
  }

  /**
   * Judges a proof now or in its turn, unless {@link leave} comes first. Whoever judges says what came of it, by
   * {@link welcomed} or {@link refused}.
   */
  enter(proof: Proof): void {
    const { address, caller, judge } = proof;
    const now = this.#clock.now();
    if (this.#known.has(caller)) return judge();
    if (this.#refused.has(address, caller, now)) return this.#refuse(proof);
    if (this.#failed.pause(address, now) === 0) return judge();
    let line = this.#lines.get(address);
    if (line === undefined) this.#lines.set(address, (line = { waiting: [], nextAt: now }));
    line.waiting.push(proof);
    this.#waiting += 1;
    if (line.nextAt <= now) this.#turn(address, line, now);
    this.#arm();
  }

  /** The connection has ended. False for one that does not wait. */
  leave(proof: Proof): boolean {
    const line = this.#lines.get(proof.address);
    const at = line?.waiting.indexOf(proof) ?? -1;
    if (at === -1) return false;
    line?.waiting.splice(at, 1);
    this.#waiting -= 1;
    return true;
  }

  /**
   * The client was let in: it is known, and all of its proofs that wait are judged now. To have proved a token is not
   * enough: one that opens no tunnel here makes nobody known.
   */
  welcomed({ address, caller }: Proof): void {
    this.#known.add(caller);
    for (const proof of this.#othersOf(address, caller)) this.#judge(proof);
  }

  /** The proof was wrong, and so are those of the same client that wait. */
  refused({ address, caller }: Proof): void {
    const now = this.#clock.now();
    this.#failures += 1;
    this.#failed.add(address, now);
    this.#refused.add(address, caller, now);
    for (const proof of this.#othersOf(address, caller)) if (this.leave(proof)) this.#refuse(proof);
  }

  #refuse(proof: Proof): void {
    this.#failures += 1;
    proof.refuse();
  }

  /** What else a client has said at an address, and waits. */
  #othersOf(address: string, { client, kid }: Caller): Proof[] {
    const { waiting = [] } = this.#lines.get(address) ?? {};
    return waiting.filter(({ caller }) => caller.client === client && caller.kid === kid);
  }

  /** One turn at an address, or all of them when it is slowed no more. */
  #turn(address: string, line: Line, now: number): void {
    for (const proof of line.waiting.filter(({ since }) => now - since >= MAX_WAIT_MS)) proof.giveUp();
    let pause = 0;
    while (pause === 0 && line.waiting.length > 0) {
      const drawn = line.waiting[Math.floor(this.#random() * line.waiting.length)] as Proof;
      this.#judge(drawn);
      pause = this.#failed.pause(address, now);
    }
    line.nextAt = now + pause;
  }

  #judge(proof: Proof): void {
    // Judging one may have judged others of its client.
    if (this.leave(proof)) proof.judge();
  }

  readonly #turns = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const [address, line] of this.#lines) {
      // Timers may fire a moment before their time by the clock.
      if (line.nextAt > now + 1) continue;
      if (line.waiting.length === 0) this.#lines.delete(address);
      else this.#turn(address, line, now);
    }
    this.#arm();
  };

  /** Judges nobody any more. */
  stop(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#lines.clear();
  }

  /** One timer for all addresses; none while no address had a turn just now. */
  #arm(): void {
    if (this.#timer !== undefined || this.#lines.size === 0) return;
    const soonest = Math.min(...[...this.#lines.values()].map(({ nextAt }) => nextAt));
    this.#timer = this.#clock.setTimeout(this.#turns, Math.max(0, soonest - this.#clock.now()));
  }
}
