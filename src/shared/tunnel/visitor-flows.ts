/** The flows of an entrance by their visitors' addresses. One host has part of the table, however many ports it uses. */
import { FlowTable, type FlowLoss, type FlowTableRules } from './flow-table.ts';
import type { VisitorFlow } from './visitor-flow.ts';

export interface VisitorFlowsRules extends FlowTableRules {
  /** The most flows of one host. */
  readonly maxPerAddress: number;
}

export class VisitorFlows {
  readonly table: FlowTable<VisitorFlow>;
  readonly #maxPerAddress: number;
  readonly #onLost: (flow: VisitorFlow, why: FlowLoss) => void;
  readonly #hosts = new Map<string, Map<number, VisitorFlow>>();

  /** @param onLost hears of each flow that has gone without having been deleted */
  constructor(rules: VisitorFlowsRules, onLost: (flow: VisitorFlow, why: FlowLoss) => void) {
    this.#maxPerAddress = rules.maxPerAddress;
    this.#onLost = onLost;
    this.table = new FlowTable(rules, (flow, why) => {
      this.#forget(flow);
      onLost(flow, why);
    });
  }

  get(host: string, port: number): VisitorFlow | undefined {
    return this.#hosts.get(host)?.get(port);
  }

  /** Takes a flow in. When its host, or the table, has too many, the one that is silent for longest goes. */
  add(flow: VisitorFlow): void {
    const ofHost = this.#hosts.get(flow.host);
    if (ofHost !== undefined && ofHost.size >= this.#maxPerAddress) this.#displace(ofHost.values());
    this.table.add(flow);
    const flows = this.#hosts.get(flow.host);
    if (flows === undefined) this.#hosts.set(flow.host, new Map([[flow.port, flow]]));
    else flows.set(flow.port, flow);
  }

  delete(flow: VisitorFlow): void {
    this.table.delete(flow);
    this.#forget(flow);
  }

  #displace(flows: Iterable<VisitorFlow>): void {
    let longest: VisitorFlow | undefined;
    for (const flow of flows) if (longest === undefined || flow.lastAt < longest.lastAt) longest = flow;
    if (longest === undefined) return;
    this.delete(longest);
    this.#onLost(longest, 'displaced');
  }

  #forget({ host, port }: VisitorFlow): void {
    const flows = this.#hosts.get(host);
    flows?.delete(port);
    if (flows?.size === 0) this.#hosts.delete(host);
  }
}
