import { Events } from '../events.ts';
import type { HostAddress } from '../net/address.ts';
import type { Visit } from '../session/visit.ts';
import type { Entrance } from './entrance.ts';
import type { Exit } from './exit.ts';
import type { TargetStats } from './targets.ts';
import type { VisitEventMap } from './visit-events.ts';

/** The connections under a tunnel. */
export interface TunnelPool {
  readonly ready: boolean;
  once(event: 'poolClosed', listener: () => void): unknown;
  start(): Promise<void>;
  close(options: { graceMs: number }): Promise<void>;
  destroy(): void;
}

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

/** Either end of a tunnel: connections, and the place where visitors come in or go out. */
export abstract class Tunnel extends Events<VisitEventMap> implements AsyncDisposable {
  protected entrance: Entrance | undefined;
  protected exit: Exit | undefined;
  readonly #connections: TunnelPool;
  readonly #side: 'client' | 'server';

  constructor(connections: TunnelPool, side: 'client' | 'server') {
    super('tunnel');
    this.#connections = connections;
    this.#side = side;
    // Also when somebody destroys it.
    connections.once('poolClosed', () => this.exit?.stop());
  }

  /** Where visitors connect; undefined where they do not come in, and before {@link start}. */
  get address(): HostAddress | undefined {
    return this.entrance?.address;
  }

  /** Visits that are on, and visitors who wait for a connection. */
  get visits(): number {
    return this.entrance?.visitors ?? this.exit?.visits ?? 0;
  }

  /** The visits that are on now: for whoever counts their bytes. */
  get live(): readonly Visit[] {
    return this.entrance?.live ?? this.exit?.live ?? [];
  }

  /** The numbers of each target, a snapshot; empty where visits come in. */
  targetStats(): readonly TargetStats[] {
    return this.exit?.targetStats() ?? [];
  }

  /**
   * Starts the pool, then lets visitors in.
   *
   * @throws DialError when an address cannot be listened on, InvalidOptionError for TLS options that cannot be used
   */
  async start(): Promise<void> {
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

  /** Lets no visitor in, lets visits end until the grace is over, then closes everything. */
  async close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    const { entrance, exit } = this;
    entrance?.shut();
    exit?.stop();
    // Together: the other side hears at once that no new visit comes, and a socket's last bytes may outlast its visit.
    await Promise.all([this.#connections.close({ graceMs }), entrance?.empty(graceMs), exit?.empty(graceMs)]);
    (entrance ?? exit)?.abort(`the ${this.#side} is shutting down`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
