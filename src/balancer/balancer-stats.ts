import type { BackendStats } from './backend.ts';
import type { ClientRefusal, ExchangeEnd } from './balancer-events.ts';

/** A balancer's numbers, a snapshot. */
export interface BalancerStats {
  /** Where clients connect; undefined while it does not listen. */
  readonly listen: string | undefined;
  /** Connections of clients. */
  readonly clients: number;
  readonly requests: {
    /** Those that are on, upgraded connections among them. */
    readonly on: number;
    /** Those that wait for a server to have room. */
    readonly waiting: number;
    readonly opened: number;
    readonly closed: Readonly<Record<ExchangeEnd, number>>;
    /** Answers by the first digit of their status, `2xx`. */
    readonly answers: Readonly<Record<StatusClass, number>>;
    /** How often one was tried again. */
    readonly retries: number;
  };
  /** Of the bodies of requests that are over. */
  readonly bytes: { readonly received: number; readonly sent: number };
  /** Clients that were refused, by reason; what never came is left out. */
  readonly refused: Readonly<Partial<Record<ClientRefusal, number>>>;
  readonly servers: readonly BackendStats[];
}

export type StatusClass = '1xx' | '2xx' | '3xx' | '4xx' | '5xx';

/** What a balancer counts of its requests. */
export class RequestCounts {
  opened = 0;
  retries = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly closed: Record<ExchangeEnd, number> = { answered: 0, refused: 0, broken: 0, 'client-left': 0, upgraded: 0 };
  readonly answers: Record<StatusClass, number> = { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 };
  readonly #refused = new Map<ClientRefusal, number>();

  /** Counts an answer; a request that is refused as a whole is one, too. */
  answered(status: number): void {
    const name = CLASSES[Math.floor(status / 100)];
    if (name !== undefined) this.answers[name] += 1;
  }

  refuse(reason: ClientRefusal): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  get refused(): BalancerStats['refused'] {
    return Object.fromEntries(this.#refused);
  }
}

const CLASSES: Readonly<Record<number, StatusClass>> = { 1: '1xx', 2: '2xx', 3: '3xx', 4: '4xx', 5: '5xx' };
