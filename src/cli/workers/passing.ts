import type { Socket } from 'node:net';
import { type PassedVisitor, passVisitor } from '../../server/visitor-pass.ts';
import { systemClock } from '../../shared/clock.ts';
import { Crowd } from '../../shared/tunnel/crowd.ts';
import { breakOff } from '../../shared/relay/relay.ts';
import { StallWatch } from '../../shared/relay/stall-watch.ts';

/** Default of `--stall-timeout`, ms. */
const STALL_TIMEOUT_MS = 600_000;

/** What passing needs to know of the worker. */
export interface PassingOptions {
  readonly secret: Buffer;
  /** Where others take visitors of a tunnel now. */
  readonly ports: (tunnel: string) => readonly number[];
  /** Takes a visitor back that nobody else took. */
  readonly keep: (socket: Socket, visitor: PassedVisitor) => void;
}

/** Visitors that find nothing idle in this worker, and go through it to another. */
export class Passing {
  readonly #options: PassingOptions;
  /** By their limits: tunnels may have different ones. */
  readonly #stallWatches = new Map<number, StallWatch>();
  readonly #visitors = new Crowd<Socket>();
  #next = 0;

  constructor(options: PassingOptions) {
    this.#options = options;
  }

  /** Hands a visitor to a worker that has a connection idle; false when none has. */
  passOn(socket: Socket, visitor: PassedVisitor, stallTimeoutMs = STALL_TIMEOUT_MS): boolean {
    const { secret, ports, keep } = this.#options;
    const open = ports(visitor.tunnel);
    // In turn: how many each has is not known.
    const port = open[this.#next++ % open.length];
    if (port === undefined) return false;
    this.#visitors.add(socket);
    const left = (): void => this.#visitors.delete(socket);
    const onFailed = (): void => {
      left();
      keep(socket, visitor);
    };
    const rules = { secret, stallWatch: this.#stallWatch(stallTimeoutMs), clock: systemClock };
    passVisitor({ ...rules, socket, visitor, port, onFailed, onEnd: left });
    return true;
  }

  /** Resolves when all that went through here are over; after `graceMs` they are broken off. */
  async close(graceMs: number): Promise<void> {
    await this.#visitors.empty(systemClock, graceMs);
    for (const socket of this.#visitors.all()) breakOff(socket);
  }

  #stallWatch(timeoutMs: number): StallWatch {
    const known = this.#stallWatches.get(timeoutMs);
    if (known !== undefined) return known;
    const made = new StallWatch(systemClock, timeoutMs);
    this.#stallWatches.set(timeoutMs, made);
    return made;
  }
}
