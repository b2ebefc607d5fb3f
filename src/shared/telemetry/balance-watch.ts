import type { HttpBalancer } from '../../balancer/http-balancer.ts';
import { Ears } from './ears.ts';
import { Histogram, WAIT_BOUNDS_MS } from './histogram.ts';
import type { BalanceSnapshot } from './snapshot.ts';

/** Watches a balancer, which counts by itself; here is what takes time to tell: how long requests take. */
export class BalanceWatch {
  readonly #balancer: HttpBalancer;
  readonly #ears = new Ears();
  readonly #requests = new Histogram(WAIT_BOUNDS_MS);

  constructor(balancer: HttpBalancer) {
    this.#balancer = balancer;
    this.#ears.hear(balancer, 'requestClosed', ({ durationMs }) => this.#requests.observe(durationMs));
  }

  snapshot(): BalanceSnapshot {
    const { ready } = this.#balancer;
    return { ...this.#balancer.stats(), ready, times: { request: this.#requests.snapshot() } };
  }

  stop(): void {
    this.#ears.stop();
  }
}
