/** Who is in a bounded table of flows, who goes when it is full, and who has been silent for too long. No sockets. */
import type { Clock, Timer } from '../clock.ts';
import { type Linked, LinkedList } from '../pool/linked-list.ts';

/** A flow as its table sees it. */
export interface TableFlow<F> extends Linked<F> {
  /** When it last carried a datagram; the clock's time. */
  lastAt: number;
  /** The target has answered: its visitor is who it says it is, or the target is patient with those who are not. */
  answered: boolean;
}

export interface FlowTableRules {
  /** The most flows. */
  readonly max: number;
  /** One that is silent for so long is over, ms. */
  readonly idleMs: number;
  readonly clock: Clock;
}

/** Why the table gives a flow up. */
export type FlowLoss = 'idle' | 'displaced';

/**
 * The part of a full table that flows without an answer may fill before they displace each other. The source of a
 * datagram can be forged, and whoever forges many must not displace those who are being served.
 */
const UNANSWERED_SHARE = 0.25;

export class FlowTable<F extends TableFlow<F>> {
  readonly #rules: FlowTableRules;
  readonly #onLost: (flow: F, why: FlowLoss) => void;
  /** The one that is silent for longest last. */
  readonly #unanswered = new LinkedList<F>();
  readonly #answered = new LinkedList<F>();
  #timer: Timer | undefined;

  /** @param onLost hears of each flow that is not in the table any more without having been deleted */
  constructor(rules: FlowTableRules, onLost: (flow: F, why: FlowLoss) => void) {
    this.#rules = rules;
    this.#onLost = onLost;
  }

  get size(): number {
    return this.#unanswered.size + this.#answered.size;
  }

  /** Takes a flow in. When the table is full, the one that is silent for longest goes. */
  add(flow: F): void {
    const { max, idleMs, clock } = this.#rules;
    if (this.size >= max) this.#lose(this.#next(), 'displaced');
    flow.lastAt = clock.now();
    this.#listOf(flow).addFirst(flow);
    this.#timer ??= clock.setTimeout(() => this.#look(), idleMs);
  }

  /** It carries a datagram of the visitor. */
  touch(flow: F): void {
    this.#move(flow, flow.answered);
  }

  /** It carries a datagram of the target. */
  answer(flow: F): void {
    this.#move(flow, true);
  }

  delete(flow: F): void {
    this.#listOf(flow).remove(flow);
    if (this.size === 0) this.#disarm();
  }

  #listOf({ answered }: F): LinkedList<F> {
    return answered ? this.#answered : this.#unanswered;
  }

  #move(flow: F, answered: boolean): void {
    this.#listOf(flow).remove(flow);
    flow.lastAt = this.#rules.clock.now();
    flow.answered = answered;
    this.#listOf(flow).addFirst(flow);
  }

  /** Who goes first. */
  #next(): F | undefined {
    const many = this.#unanswered.size > UNANSWERED_SHARE * this.#rules.max;
    return many ? this.#unanswered.tail : (this.#answered.tail ?? this.#unanswered.tail);
  }

  #lose(flow: F | undefined, why: FlowLoss): void {
    if (flow === undefined) return;
    this.delete(flow);
    this.#onLost(flow, why);
  }

  #look(): void {
    const { idleMs, clock } = this.#rules;
    const now = clock.now();
    let oldestAt = Infinity;
    this.#timer = undefined;
    for (const list of [this.#unanswered, this.#answered]) {
      while (list.tail !== undefined && now - list.tail.lastAt >= idleMs) this.#lose(list.tail, 'idle');
      if (list.tail !== undefined) oldestAt = Math.min(oldestAt, list.tail.lastAt);
    }
    if (this.size > 0) this.#timer ??= clock.setTimeout(() => this.#look(), oldestAt + idleMs - now);
  }

  #disarm(): void {
    this.#rules.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
