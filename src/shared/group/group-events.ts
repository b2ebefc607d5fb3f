/** What groups tell: plain objects that nobody changes, one type for each step. */
import type { Address } from '../net/address.ts';
import type { BreakerState } from '../resilience/breaker.ts';

/** What every event of a group says: whose it is, and which node it is about. */
export interface NodeEvent {
  readonly group: string;
  readonly node: string;
}

/** A node has joined. */
export interface NodeAddedEvent extends NodeEvent {
  readonly address: Address | undefined;
}

/** A node is gone, its last lease back. `drainedMs`: since it was removed. */
export interface NodeRemovedEvent extends NodeEvent {
  readonly drainedMs: number;
}

/** A node's checks fail, or its pool could not be started: others are preferred. */
export interface NodeUnhealthyEvent extends NodeEvent {
  readonly error: unknown;
}

/** A node's checks pass again. */
export type NodeHealthyEvent = NodeEvent;

/** A node's circuit breaker has changed. */
export interface BreakerChangedEvent extends NodeEvent {
  readonly state: BreakerState;
}

/** The events of a group, by name. */
export interface GroupEventMap {
  nodeAdded: [NodeAddedEvent];
  nodeRemoved: [NodeRemovedEvent];
  nodeUnhealthy: [NodeUnhealthyEvent];
  nodeHealthy: [NodeHealthyEvent];
  breakerChanged: [BreakerChangedEvent];
}
