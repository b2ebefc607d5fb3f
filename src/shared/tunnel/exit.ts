/** Where visits come out: each is connected to the target. */
import type { Clock } from '../clock.ts';
import type { Address } from '../net/address.ts';
import { Relay } from '../relay/relay.ts';
import { StallWatch } from '../relay/stall-watch.ts';
import type { Visit } from '../session/visit.ts';
import { ResetCode } from '../wire/frame.ts';
import { Crowd } from './crowd.ts';
import { connectTarget } from './target.ts';
import type { Tunnel } from './tunnel.ts';

export interface ExitOptions {
  readonly target: Address;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
}

export class Exit {
  readonly #options: ExitOptions;
  readonly #tunnel: Tunnel;
  readonly #stallWatch: StallWatch;
  readonly #relays = new Crowd<Relay>();

  constructor(options: ExitOptions, tunnel: Tunnel) {
    this.#options = options;
    this.#tunnel = tunnel;
    this.#stallWatch = new StallWatch(options.clock, options.stallTimeoutMs);
  }

  /** Visits that are on. */
  get visits(): number {
    return this.#relays.size;
  }

  /** Connects a visit that the other side has opened. */
  serve(visit: Visit): void {
    const { target: address, clock, connectTimeoutMs } = this.#options;
    const startedAt = clock.now();
    const target = connectTarget(address, connectTimeoutMs, clock, () => visit.accept());
    const { remote } = visit.info;
    const id = visit.connectionId;
    const relay = new Relay({
      socket: target.socket,
      visit,
      brokenCode: (error) => target.codeOf(error),
      stalledCode: ResetCode.stalled,
      stallWatch: this.#stallWatch,
      onEnd: (reason, error) => {
        this.#relays.delete(relay);
        if (!this.#tunnel.heard('visitClosed')) return;
        const { bytesIn, bytesOut } = visit;
        const durationMs = clock.now() - startedAt;
        this.#tunnel.tell('visitClosed', { remote, id, bytesIn, bytesOut, durationMs, reason, error });
      },
    });
    this.#relays.add(relay);
    if (this.#tunnel.heard('visitOpened')) this.#tunnel.tell('visitOpened', { remote, id, waitedMs: 0 });
  }

  /** Resolves when no visit is on, or after `graceMs`. */
  empty(graceMs: number): Promise<void> {
    return this.#relays.empty(this.#options.clock, graceMs);
  }

  /** Breaks off the visits that are still on. */
  abort(reason: string): void {
    for (const relay of this.#relays.all()) relay.abort(ResetCode.internal, reason);
  }
}
