import type { Clock } from '../shared/clock.ts';
import { type Address, formatAddress } from '../shared/net/address.ts';
import { isShortage, type Shortage } from '../shared/net/shortage.ts';
import { HealthCheck } from '../shared/tunnel/health-check.ts';
import { TargetHealth } from '../shared/tunnel/target-health.ts';
import type { BackendRules } from './balancer-options.ts';
import { ServerConnections } from './server-connections.ts';

/** One server's numbers, a snapshot. */
export interface BackendStats {
  /** Its address, as text. */
  readonly server: string;
  /** False while it is passed over because it fails. */
  readonly up: boolean;
  /** Requests that are there, upgraded connections among them. */
  readonly inUse: number;
  /** Requests that were sent there so far, and those among them that failed there. */
  readonly total: number;
  readonly failed: number;
}

/** What backends are made of. */
export interface BackendSetup {
  readonly rules: BackendRules;
  readonly clock: Clock;
  readonly random: () => number;
  readonly shortage: Shortage;
}

/** Who hears that a server has changed. */
export interface BackendOwner {
  onDown(server: string, error: Error): void;
  onUp(server: string): void;
}

/** One HTTP server, with the connections to it. */
export class Backend {
  readonly name: string;
  /** What requests say that name none. */
  readonly host: string;
  readonly connections: ServerConnections;
  /** Requests that are there. */
  inUse = 0;
  readonly #rules: BackendRules;
  readonly #health: TargetHealth;
  readonly #check: HealthCheck;
  #total = 0;
  #failed = 0;
  /** Whether it is a server no more: how it is concerns nobody. */
  #retired = false;

  /** @param isDown whether it is known to be down, by rules that held before */
  constructor(
    address: Address,
    { rules, clock, random, shortage }: BackendSetup,
    owner: BackendOwner,
    isDown: boolean,
  ) {
    this.name = formatAddress(address);
    this.host = 'path' in address ? 'localhost' : this.name;
    this.#rules = rules;
    this.connections = new ServerConnections(address, rules, clock);
    const { path, intervalMs, timeoutMs, rise, fall } = rules.health;
    this.#health = new TargetHealth(
      { checked: true, rise, fall, isUnsure: true, clock, random },
      {
        onDown: (error) => owner.onDown(this.name, error),
        onUp: () => owner.onUp(this.name),
        onShort: () => shortage.note(),
      },
      isDown,
    );
    const check = path === undefined ? 'tcp' : { http: path };
    this.#check = new HealthCheck(address, { check, intervalMs, timeoutMs, clock, random }, this.#health);
  }

  get up(): boolean {
    return this.#health.up;
  }

  get hasRoom(): boolean {
    return this.inUse < this.#rules.maxConnections;
  }

  /** Whether requests should go there. */
  get usable(): boolean {
    return this.up && this.hasRoom;
  }

  stats(): BackendStats {
    const { name: server, up, inUse } = this;
    return { server, up, inUse, total: this.#total, failed: this.#failed };
  }

  /** Whether it is what another one at this address, by these rules, would be. */
  is(address: Address, rules: BackendRules): boolean {
    return this.name === formatAddress(address) && JSON.stringify(this.#rules) === JSON.stringify(rules);
  }

  /** Begins to check it. */
  start(): void {
    this.#check.start();
  }

  /** No new requests come: it is not checked any more, and its connections go when what is on them has ended. */
  retire(): void {
    this.#retired = true;
    this.#check.stop();
    this.connections.close();
  }

  /** Breaks off what is on its connections. */
  destroy(): void {
    this.#check.stop();
    this.connections.destroy();
  }

  /** A request goes there; {@link leave} follows. */
  enter(): void {
    this.inUse += 1;
    this.#total += 1;
  }

  /** A request has failed there. @param isConnected whether a connection was there for it */
  failed(error: Error, isConnected: boolean): void {
    if (!isShortage(error)) this.#failed += 1;
    if (!isConnected && !this.#retired) this.#health.unreached(error);
  }

  /** The request is over, or goes elsewhere. */
  leave(): void {
    this.inUse -= 1;
  }
}
