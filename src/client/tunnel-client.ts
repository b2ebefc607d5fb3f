/** The private end of a tunnel: each visit that the server opens is connected to the target. */
import * as v from 'valibot';
import { type Clock, systemClock } from '../shared/clock.ts';
import { Events } from '../shared/events.ts';
import type { Address } from '../shared/net/address.ts';
import { addressOption } from '../shared/net/address-option.ts';
import { checkOptions, instance, milliseconds } from '../shared/options.ts';
import { Crowd } from '../shared/relay/crowd.ts';
import { Relay } from '../shared/relay/relay.ts';
import { StallWatch } from '../shared/relay/stall-watch.ts';
import type { VisitEventMap } from '../shared/relay/visit-events.ts';
import type { Visit } from '../shared/session/visit.ts';
import { ResetCode } from '../shared/wire/frame.ts';
import { ClientPool } from './client-pool.ts';
import type { ClientPoolOptions } from './client-pool-options.ts';
import { connectTarget } from './target.ts';

export interface TunnelClientOptions {
  /** The pool that the tunnel makes, starts and closes. */
  readonly pool: Omit<ClientPoolOptions<true>, 'onVisit' | 'session'>;
  /** The service to expose: `host:port`, `3000` for a port of this machine, or `unix:/path`. */
  readonly target: string | Address;
  /** How long the target may take to accept, ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** A visit that is blocked and moved no byte for so long is reset, ms; 0 never. Default 600000. */
  readonly stallTimeoutMs?: number;
  readonly clock?: Clock;
}

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

const schema = v.strictObject({
  pool: instance<TunnelClientOptions['pool']>('the options of a ClientPool'),
  target: v.custom<string | Address>(
    (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
    'wants host:port, a port, or unix:/path',
  ),
  connectTimeoutMs: v.optional(milliseconds(1), 5000),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
});

export class TunnelClient extends Events<VisitEventMap> implements AsyncDisposable {
  readonly pool: ClientPool;
  readonly #options: v.InferOutput<typeof schema>;
  readonly #target: Address;
  readonly #stallWatch: StallWatch;
  readonly #relays = new Crowd<Relay>();

  /** @throws InvalidOptionError naming the option */
  constructor(options: TunnelClientOptions) {
    super('tunnel');
    const checked = checkOptions(schema, options);
    this.#options = checked;
    this.#target = addressOption('target', checked.target, { defaultHost: '127.0.0.1' });
    this.#stallWatch = new StallWatch(checked.clock, checked.stallTimeoutMs);
    const { clock, stallTimeoutMs } = checked;
    this.pool = new ClientPool({ clock, stallTimeoutMs, ...checked.pool, onVisit: (visit) => this.#serve(visit) });
  }

  /** Visits that are on. */
  get visits(): number {
    return this.#relays.size;
  }

  /**
   * Begins to dial the server.
   *
   * @throws InvalidOptionError when TLS options cannot be used
   */
  start(): Promise<void> {
    return this.pool.start();
  }

  /** Lets visits end until the grace is over, then closes everything. */
  async close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    // Together: a target's last bytes may outlast their visit.
    await Promise.all([this.pool.close({ graceMs }), this.#relays.empty(this.#options.clock, graceMs)]);
    for (const relay of this.#relays.all()) relay.abort(ResetCode.internal, 'the client is shutting down');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve(visit: Visit): void {
    const { clock, connectTimeoutMs } = this.#options;
    const startedAt = clock.now();
    const target = connectTarget(this.#target, connectTimeoutMs, clock, () => visit.accept());
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
        if (!this.heard('visitClosed')) return;
        const { bytesIn, bytesOut } = visit;
        const durationMs = clock.now() - startedAt;
        this.tell('visitClosed', { remote, id, bytesIn, bytesOut, durationMs, reason, error });
      },
    });
    this.#relays.add(relay);
    if (this.heard('visitOpened')) this.tell('visitOpened', { remote, id, waitedMs: 0 });
  }
}
