import type { DescriptorsError } from '../errors.ts';
import { Events } from '../events.ts';
import type { HostAddress } from '../net/address.ts';
import type { Visit } from '../session/visit.ts';
import type { Bandwidth, BandwidthStats } from './bandwidth.ts';
import type { DatagramStats } from './datagram-stats.ts';
import type { TargetsOwner, TargetStats } from './targets.ts';
import type { VisitEventMap } from './visit-events.ts';
import type { VisitorStats } from './visitor-gate.ts';
import { refuseVisitors, type VisitorsOptions } from './visitor-rules.ts';

/** The connections under a tunnel. */
export interface TunnelPool {
  readonly ready: boolean;
  once(event: 'poolClosed', listener: () => void): unknown;
  start(): Promise<void>;
  close(options: { graceMs: number }): Promise<void>;
  destroy(): void;
}

/** A visit that is on, as whoever counts its bytes needs it. */
export type LiveVisit = Pick<Visit, 'client' | 'bytesIn' | 'bytesOut'>;

/** Where visitors come in. */
export interface TunnelEntrance {
  readonly live: readonly LiveVisit[];
  /** Where visitors connect, or send to; undefined while they cannot. */
  readonly address: HostAddress | undefined;
  /** Visitors, those who wait for a connection among them; with datagrams, flows. */
  readonly visitors: number;
  /** Lets visitors in. @throws DialError when the address cannot be listened on */
  open(): Promise<void>;
  /** Lets no visitor in any more; those who are in go on. */
  shut(): void;
  /** Resolves when nobody is in, or after `graceMs`. */
  empty(graceMs: number): Promise<void>;
  /** Breaks off who is still in. */
  abort(reason: string): void;
  stats?(): DatagramStats;
  /** Undefined without limits. */
  readonly bandwidth: Bandwidth | undefined;
  /** Who is in and who was turned away, a snapshot. */
  readonly visitorStats: VisitorStats;
  /** Replaces the rules for the visitors who come from now on. @throws InvalidOptionError for rules that are wrong */
  setVisitorRules(rules: VisitorsOptions): void;
}

/** Where visits come out. */
export interface TunnelExit {
  readonly live: readonly LiveVisit[];
  /** Visits that are on; with datagrams, flows. */
  readonly visits: number;
  /** The targets' numbers, a snapshot. */
  targetStats(): readonly TargetStats[];
  start(): void;
  /** Begins nothing new; visits go on. */
  stop(): void;
  /** Resolves when no visit is on, or after `graceMs`. */
  empty(graceMs: number): Promise<void>;
  /** Breaks off the visits that are still on. */
  abort(reason: string): void;
  stats?(): DatagramStats;
  /** Undefined without limits. */
  readonly bandwidth: Bandwidth | undefined;
}

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

/** Either end of a tunnel: connections, and the place where visitors come in or go out. */
export abstract class Tunnel extends Events<VisitEventMap> implements AsyncDisposable, TargetsOwner {
  protected entrance: TunnelEntrance | undefined;
  protected exit: TunnelExit | undefined;
  readonly #connections: TunnelPool;
  /** What is said to those whose visits are broken off. */
  readonly #ending: string;
  #starting: Promise<void> | undefined;

  constructor(connections: TunnelPool, side: 'client' | 'server') {
    super('tunnel');
    this.#connections = connections;
    this.#ending = `the ${side} is shutting down`;
    // Also when somebody destroys it.
    connections.once('poolClosed', () => {
      this.entrance?.shut();
      this.exit?.stop();
    });
  }

  /** Where visitors connect; undefined where they do not come in, and before {@link start}. */
  get address(): HostAddress | undefined {
    return this.entrance?.address;
  }

  /** Visits that are on, and visitors who wait for a connection; with datagrams, flows. */
  get visits(): number {
    return this.entrance?.visitors ?? this.exit?.visits ?? 0;
  }

  /** The visits that are on now: for whoever counts their bytes. */
  get live(): readonly LiveVisit[] {
    return this.entrance?.live ?? this.exit?.live ?? [];
  }

  /** The numbers of each target, a snapshot; empty where visits come in. */
  targetStats(): readonly TargetStats[] {
    return this.exit?.targetStats() ?? [];
  }

  /** Who is in and who was turned away, a snapshot; undefined where visitors come in at the other side. */
  visitorStats(): VisitorStats | undefined {
    return this.entrance?.visitorStats;
  }

  /** The numbers of flows and datagrams, a snapshot; undefined unless the protocol is `udp`. */
  datagramStats(): DatagramStats | undefined {
    return (this.entrance ?? this.exit)?.stats?.();
  }

  /** The numbers of the bandwidth's limits, a snapshot; undefined without any. */
  bandwidthStats(): BandwidthStats | undefined {
    return (this.entrance ?? this.exit)?.bandwidth?.stats();
  }

  /**
   * Replaces the rules for the visitors who come from now on; what is not given has its default again. Who is in stays.
   *
   * @throws InvalidOptionError for rules that are wrong, or where visitors come in at the other side; the old ones hold
   */
  setVisitorRules(rules: VisitorsOptions): void {
    if (this.entrance === undefined) refuseVisitors(rules);
    else this.entrance.setVisitorRules(rules);
  }

  /**
   * Starts the pool, then lets visitors in. Further calls wait for the same.
   *
   * @throws DialError when an address cannot be listened on, InvalidOptionError for TLS options that cannot be used
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Lets no visitor in, lets visits end until the grace is over, then closes everything. */
  async close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    const { entrance, exit } = this;
    entrance?.shut();
    exit?.stop();
    // At once: where visitors came in somebody else may listen in this very turn.
    if (graceMs === 0) (entrance ?? exit)?.abort(this.#ending);
    // Together: the other side hears at once that no new visit comes, and a socket's last bytes may outlast its visit.
    await Promise.all([this.#connections.close({ graceMs }), entrance?.empty(graceMs), exit?.empty(graceMs)]);
    (entrance ?? exit)?.abort(this.#ending);
  }

  /** Ends it now, and breaks off the visits that are on. */
  destroy(): void {
    this.#connections.destroy();
    this.entrance?.shut();
    (this.entrance ?? this.exit)?.abort(this.#ending);
  }

  async #start(): Promise<void> {
    try {
      await this.#connections.start();
      if (this.#connections.ready) await this.entrance?.open();
      if (this.#connections.ready) this.exit?.start();
      // Closed in the meantime.
      else this.entrance?.shut();
    } catch (error) {
      this.#connections.destroy();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  onTargetDown(target: string, error: Error): void {
    this.tell('targetDown', { target, error });
  }

  /** @internal */
  onTargetUp(target: string): void {
    this.tell('targetUp', { target });
  }

  /** @internal */
  onShort(error: DescriptorsError): void {
    this.tell('fault', { error });
  }

  /** For entrance and exit. @internal */
  override heard(event: keyof VisitEventMap): boolean {
    return super.heard(event);
  }

  /** @internal */
  override tell<K extends keyof VisitEventMap>(event: K, message: VisitEventMap[K][0]): void {
    super.tell(event, message);
  }
}
