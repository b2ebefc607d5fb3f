/** What one process has to tell of its tunnels. */
import { performance } from 'node:perf_hooks';
import type { HttpBalancer } from '../../balancer/http-balancer.ts';
import type { TunnelClient } from '../../client/tunnel-client.ts';
import type { ServerListener } from '../../server/server-listener.ts';
import type { TunnelServer } from '../../server/tunnel-server.ts';
import { systemClock } from '../../shared/clock.ts';
import { LoadMeter } from '../../shared/load-meter.ts';
import { BalanceWatch } from '../../shared/telemetry/balance-watch.ts';
import { ClientWatch } from '../../shared/telemetry/client-watch.ts';
import { ListenerWatch } from '../../shared/telemetry/listener-watch.ts';
import { metricsText, type ProcessMetrics, ProcessWatch, type Snapshots } from '../../shared/telemetry/metrics.ts';
import { ServerWatch } from '../../shared/telemetry/server-watch.ts';
import { publicSnapshot } from '../../shared/telemetry/public-watch.ts';
import type { PublicSnapshot } from '../../shared/telemetry/snapshot.ts';
import type { PublicListener } from '../../shared/tunnel/public-listener.ts';
import type { TunnelWatch } from '../../shared/telemetry/tunnel-watch.ts';
import { packageVersion } from '../version.ts';
import type { AdminSource } from './admin-server.ts';
import { type ProcessReport, readinessOf, type StatusReport } from './report.ts';

const POOLD = packageVersion();

/** What one of several processes tells the first one. */
export interface Part extends Snapshots {
  readonly process: ProcessReport;
  /** Only when asked for. */
  readonly metrics: ProcessMetrics;
}

export class LocalSource implements AdminSource {
  readonly #role: StatusReport['role'];
  readonly #name: string;
  readonly #process: ProcessWatch;
  readonly #watches = new Set<TunnelWatch>();
  readonly #listeners: ListenerWatch[] = [];
  readonly #publics: (() => PublicSnapshot)[] = [];
  #balancer: BalanceWatch | undefined;
  readonly #load = new LoadMeter(systemClock);

  /** @param worker which of several processes this is */
  constructor(role: StatusReport['role'], worker?: string) {
    this.#role = role;
    this.#name = worker ?? 'main';
    this.#process = new ProcessWatch(worker);
  }

  /** Watches a server's end. Returns how to stop that. */
  watchServer(tunnel: string, server: TunnelServer): () => void {
    return this.#add(new ServerWatch(tunnel, server, systemClock));
  }

  /** Watches where clients connect. */
  watchListener(listener: ServerListener): void {
    this.#listeners.push(new ListenerWatch(listener));
  }

  /** Watches an address that several tunnels share. */
  watchPublic(listen: string, listener: PublicListener): void {
    this.#publics.push(() => publicSnapshot(listen, listener));
  }

  /** Watches a client's end. Returns how to stop that. */
  watchClient(tunnel: string, client: TunnelClient): () => void {
    return this.#add(new ClientWatch(tunnel, client, systemClock));
  }

  /** Watches a balancer. */
  watchBalancer(balancer: HttpBalancer): void {
    this.#balancer = new BalanceWatch(balancer);
  }

  async report(): Promise<StatusReport> {
    return makeReport(this.#role, [this.#processReport()], this.#snapshots());
  }

  async metrics(): Promise<string> {
    return metricsText(this.#snapshots(), [await this.#process.metrics()]);
  }

  /** The same as data for another process. */
  async part(withMetrics: boolean): Promise<Part> {
    const metrics = withMetrics ? await this.#process.metrics() : [];
    return { process: this.#processReport(), metrics, ...this.#snapshots() };
  }

  #add(watch: TunnelWatch): () => void {
    this.#watches.add(watch);
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }

  #snapshots(): Snapshots {
    return {
      tunnels: [...this.#watches].map((watch) => watch.snapshot()),
      listeners: this.#listeners.map((watch) => watch.snapshot()),
      publics: this.#publics.map((snapshot) => snapshot()),
      ...(this.#balancer === undefined ? {} : { balancers: [this.#balancer.snapshot()] }),
    };
  }

  #processReport(): ProcessReport {
    return { name: this.#name, memoryBytes: process.memoryUsage.rss(), busy: this.#load.busy };
  }
}

/** A report of this moment. */
export function makeReport(
  role: StatusReport['role'],
  processes: readonly ProcessReport[],
  snapshots: Snapshots,
): StatusReport {
  const at = new Date().toISOString();
  const startedAt = new Date(performance.timeOrigin).toISOString();
  return {
    version: 1,
    poold: POOLD,
    role,
    at,
    startedAt,
    ...readinessOf(snapshots),
    processes,
    ...snapshots,
  };
}
