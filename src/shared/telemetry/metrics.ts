/** The snapshots of tunnels as Prometheus reads them. */
import { collectDefaultMetrics, type Gauge, Registry } from 'prom-client';
import { BALANCE_FAMILIES, BALANCE_HISTOGRAMS } from './balance-families.ts';
import {
  HISTOGRAM_FAMILIES,
  type HistogramFamily,
  type Labels,
  LISTENER_FAMILIES,
  NUMBER_FAMILIES,
  type NumberFamily,
  PUBLIC_FAMILIES,
} from './families.ts';
import type { BalanceSnapshot, ListenerSnapshot, PublicSnapshot, TunnelSnapshot } from './snapshot.ts';

/** The metrics of a process, as they go from one process to another. */
export type ProcessMetrics = readonly Family[];

/** What prom-client has and Prometheus's own lint does not want: gauges named like counters, costly ones too. */
const UNWANTED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** A value as a registry writes it. */
interface Value {
  readonly value: number;
  readonly labels: Labels;
  readonly metricName?: string;
}

/** A metric as a registry has it. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: readonly Value[];
}

/** What a command's processes know, added up. */
export interface Snapshots {
  readonly tunnels: readonly TunnelSnapshot[];
  /** Of a server. */
  readonly listeners: readonly ListenerSnapshot[];
  /** Addresses of visitors that several tunnels share. */
  readonly publics: readonly PublicSnapshot[];
  /** Of a balancer. */
  readonly balancers?: readonly BalanceSnapshot[];
}

/** The content type of {@link metricsText}. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** What Node.js tells of this process: CPU, memory, the event loop's delay, the garbage collector. */
export class ProcessWatch {
  readonly #registry = new Registry();

  /** @param process the label that tells it from others, where there are several */
  constructor(process?: string) {
    collectDefaultMetrics({ register: this.#registry, ...(process === undefined ? {} : { labels: { process } }) });
    for (const name of UNWANTED) this.#registry.removeSingleMetric(name);
  }

  async metrics(): Promise<ProcessMetrics> {
    return (await this.#registry.getMetricsAsJSON()) as unknown as ProcessMetrics;
  }
}

/** The text of `/metrics`. */
export async function metricsText(
  { tunnels, listeners, publics, balancers = [] }: Snapshots,
  processes: readonly ProcessMetrics[],
): Promise<string> {
  const registry = new Registry();
  for (const family of NUMBER_FAMILIES) register(registry, family, numbersOf(family, tunnels, labelsOf));
  const byListen = ({ listen }: { readonly listen: string }): Labels => ({ listen });
  for (const family of LISTENER_FAMILIES) register(registry, family, numbersOf(family, listeners, byListen));
  for (const family of PUBLIC_FAMILIES) register(registry, family, numbersOf(family, publics, byListen));
  for (const family of HISTOGRAM_FAMILIES) register(registry, family, bucketsOf(family, tunnels, labelsOf));
  // Nobody but a balancer has them.
  if (balancers.length > 0) {
    for (const family of BALANCE_FAMILIES) register(registry, family, numbersOf(family, balancers, noLabels));
    for (const family of BALANCE_HISTOGRAMS) register(registry, family, bucketsOf(family, balancers, noLabels));
  }
  const all = processes.flat();
  for (const family of new Map(all.map((one) => [one.name, one])).values()) {
    const values = all.filter(({ name }) => name === family.name).flatMap((one) => one.values);
    register(registry, family, values);
  }
  return await registry.metrics();
}

/** A registry takes whatever has these members; its types know only its own classes. */
function register(registry: Registry, { name, help, type }: Omit<Family, 'values'>, values: readonly Value[]): void {
  const metric = { name, help, type, get: () => ({ name, help, type, values }) };
  registry.registerMetric(metric as unknown as Gauge);
}

function numbersOf<S>(
  { read }: NumberFamily<S>,
  snapshots: readonly S[],
  labelsOfAll: (snapshot: S) => Labels,
): Value[] {
  return snapshots.flatMap((snapshot) =>
    read(snapshot).map(([value, labels]) => ({ value, labels: { ...labelsOfAll(snapshot), ...labels } })),
  );
}

function bucketsOf<S>(
  { name, read }: HistogramFamily<S>,
  snapshots: readonly S[],
  labelsOfAll: (snapshot: S) => Labels,
): Value[] {
  return snapshots.flatMap((snapshot) => {
    const { boundsMs, counts, sumMs } = read(snapshot);
    const labels = labelsOfAll(snapshot);
    let soFar = 0;
    const buckets = counts.map((count, at): Value => {
      soFar += count;
      const bound = boundsMs[at];
      const le = bound === undefined ? '+Inf' : String(bound / 1000);
      return { value: soFar, labels: { ...labels, le }, metricName: `${name}_bucket` };
    });
    const sum = { value: sumMs / 1000, labels, metricName: `${name}_sum` };
    return [...buckets, sum, { value: soFar, labels, metricName: `${name}_count` }];
  });
}

/** A process has one balancer. */
function noLabels(): Labels {
  return {};
}

function labelsOf({ tunnel, side }: TunnelSnapshot): Labels {
  return { tunnel, side };
}
