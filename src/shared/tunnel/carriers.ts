/** The connections that carry a tunnel's flows, from where visitors come in: how many there are, and who goes where. */
import type { Clock } from '../clock.ts';
import type { VisitResetError } from '../errors.ts';
import type { DatagramVisit } from '../session/datagram-visit.ts';
import { isBeforeTarget, ResetCode } from '../wire/frame.ts';
import { Carrier, type CarrierOwner } from './carrier.ts';
import type { DatagramSource, VisitorInfo } from './visit-pool.ts';
import type { VisitorFlow } from './visitor-flow.ts';

/**
 * Connections at least, as soon as there are as many flows: bytes that are lost on the way hold up all flows of their
 * connection until they have been sent again, and one flow that sends too much fills it. With more, fewer datagrams share
 * a write: of 32 visitors' short ones a datagram took 0.65 × a bare relay's CPU with 4 connections, and 0.9 with 16.
 */
const CARRIERS = 4;

/** How long datagrams wait for a connection, ms: less than it takes a resolver or a game to ask again. */
const WAIT_MS = 1000;

/** How long an other end that takes no flows is left alone, ms. */
const PAUSE_MS = 1000;

export interface CarriersRules {
  readonly source: DatagramSource;
  readonly openTimeoutMs: number;
  readonly clock: Clock;
}

/** Who hears of all carriers. */
export interface CarriersOwner extends Omit<CarrierOwner, 'onCarrierEnd'> {
  onCarrier(carrier: Carrier, waitedMs: number): void;
  onCarrierEnd(carrier: Carrier, error: VisitResetError | undefined): void;
  /** No connection came in time. */
  onNoCarrier(visitor: VisitorInfo, waitedMs: number, error: unknown): void;
}

export class Carriers implements CarrierOwner {
  readonly #rules: CarriersRules;
  readonly #owner: CarriersOwner;
  readonly #all = new Set<Carrier>();
  #opening = false;
  #closed = false;
  /** When the other side may be asked again after it has refused; the clock's time. */
  #notBefore = -Infinity;

  constructor(rules: CarriersRules, owner: CarriersOwner) {
    this.#rules = rules;
    this.#owner = owner;
  }

  all(): Carrier[] {
    return [...this.#all];
  }

  get size(): number {
    return this.#all.size;
  }

  /** Puts a flow on a carrier, opening one if that is due; false when there is none. It stays there until that ends. */
  place(flow: VisitorFlow, visitor: VisitorInfo): boolean {
    const usable = [...this.#all].filter((carrier) => carrier.usable);
    const opened = this.#wantsMore(usable) ? this.#rules.source.tryOpenDatagrams(visitor) : undefined;
    if (opened !== undefined) usable.unshift(this.#add(opened, 0));
    usable.sort((one, other) => one.flows - other.flows);
    return usable.some((carrier) => carrier.take(flow));
  }

  /** Asks for a connection, which the owner hears of, in time or not; one at a time. False: there is no use in it now. */
  open(visitor: VisitorInfo): boolean {
    if (!this.#mayOpen) return false;
    if (!this.#opening) void this.#open(visitor);
    return true;
  }

  /** Those without flows end now, the others with their flows. */
  retire(): void {
    for (const carrier of [...this.#all]) carrier.retire();
  }

  /** Breaks all off. */
  abort(reason: string): void {
    this.#closed = true;
    for (const carrier of this.#all) carrier.abort(reason);
    this.#all.clear();
  }

  /** @internal */
  onAnswer(flow: VisitorFlow, datagram: Buffer): void {
    this.#owner.onAnswer(flow, datagram);
  }

  /** @internal */
  onFlowEnd(flow: VisitorFlow): void {
    this.#owner.onFlowEnd(flow);
  }

  /** @internal */
  onStray(): void {
    this.#owner.onStray();
  }

  /** @internal */
  onCarrierEnd(carrier: Carrier, error: VisitResetError | undefined): void {
    this.#all.delete(carrier);
    const refused = error !== undefined && isBeforeTarget(error.resetCode) && error.resetCode !== ResetCode.draining;
    if (refused) this.#notBefore = this.#rules.clock.now() + PAUSE_MS;
    this.#owner.onCarrierEnd(carrier, error);
  }

  get #mayOpen(): boolean {
    return !this.#closed && this.#rules.clock.now() >= this.#notBefore;
  }

  #wantsMore(usable: readonly Carrier[]): boolean {
    if (!this.#mayOpen || usable.some(({ flows }) => flows === 0)) return false;
    if (usable.length < CARRIERS) return true;
    // Every other end gets flows, as far as the strategy chooses it in so many turns.
    const { ends } = this.#rules.source;
    const reached = new Set(usable.map(({ visit }) => visit.client)).size;
    return reached < ends && usable.length < CARRIERS + ends;
  }

  async #open(visitor: VisitorInfo): Promise<void> {
    const { source, clock } = this.#rules;
    const startedAt = clock.now();
    this.#opening = true;
    try {
      const visit = await source.openDatagrams(visitor, { timeoutMs: WAIT_MS });
      if (this.#closed) visit.reset(ResetCode.visitorLeft);
      else this.#add(visit, clock.now() - startedAt);
    } catch (error) {
      if (!this.#closed) this.#owner.onNoCarrier(visitor, clock.now() - startedAt, error);
    } finally {
      this.#opening = false;
    }
  }

  #add(visit: DatagramVisit, waitedMs: number): Carrier {
    const { openTimeoutMs, clock } = this.#rules;
    const carrier = new Carrier(visit, openTimeoutMs, clock, this);
    this.#all.add(carrier);
    this.#owner.onCarrier(carrier, waitedMs);
    return carrier;
  }
}
