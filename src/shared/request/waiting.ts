import type { Clock } from '../clock.ts';
import { LinkedList } from '../pool/linked-list.ts';
import type { Call } from './call.ts';

/** The calls that are on no connection: those that wait for room, and those that wait for their next try. */
export class Waiting<Req, Rep> {
  /** First come, first served; who takes a call out sends it. */
  readonly queue = new LinkedList<Call<Req, Rep>>();
  readonly #pausing = new Set<Call<Req, Rep>>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.queue.size + this.#pausing.size;
  }
  get pausing(): number {
    return this.#pausing.size;
  }

  /** Calls `resume` once the pause is over, ms, unless the call is withdrawn. */
  pause(call: Call<Req, Rep>, pauseMs: number, resume: () => void): void {
    call.state = 'pausing';
    this.#pausing.add(call);
    call.pause = this.#clock.setTimeout(() => {
      this.#pausing.delete(call);
      call.begin(this.#clock.now());
      resume();
    }, pauseMs);
  }

  /** Takes a call out, wherever it is; what is written keeps its place until its reply is there. */
  withdraw(call: Call<Req, Rep>): void {
    if (call.state === 'queued') this.queue.remove(call);
    this.#clock.clearTimeout(call.pause);
    this.#pausing.delete(call);
  }

  /** Takes out, one after the other, those that are queued now. Whoever hears of one may take out others. */
  *takeQueued(wanted: (call: Call<Req, Rep>) => boolean = () => true): Generator<Call<Req, Rep>, void> {
    for (const call of [...this.queue.fromHead()]) {
      if (call.state !== 'queued' || !wanted(call)) continue;
      this.queue.remove(call);
      yield call;
    }
  }

  /** Takes everything out. */
  *takeAll(): Generator<Call<Req, Rep>, void> {
    for (const call of [...this.queue.fromHead(), ...this.#pausing]) {
      if (call.state === 'over') continue;
      this.withdraw(call);
      yield call;
    }
  }

  /** The shortest time that one of the queued has, ms. */
  get shortest(): number {
    let shortest = Infinity;
    for (const call of this.queue.fromHead()) shortest = Math.min(shortest, call.span);
    return shortest;
  }
}
