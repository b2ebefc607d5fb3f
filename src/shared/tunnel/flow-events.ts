/** What both ends of a `udp` tunnel tell about flows: datagrams of one visitor address, and the answers. */
import type { FlowLoss } from './flow-table.ts';

/** A flow began. */
export interface FlowOpenedEvent {
  /** The visitor, `ip:port`. */
  readonly remote: string;
}

/**
 * Why a flow is over: silent for too long, displaced in a full table, ended by the other side, its connection was lost
 * (where visitors come in it goes on, over another one), its target could not be reached, or the tunnel has ended.
 */
export type FlowEnd = FlowLoss | 'ended' | 'lost' | 'target' | 'closing';

/** A flow is over. In and out are from and to the other side of the tunnel. */
export interface FlowClosedEvent extends FlowOpenedEvent {
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly durationMs: number;
  readonly reason: FlowEnd;
}

export interface FlowEventMap {
  flowOpened: [FlowOpenedEvent];
  flowClosed: [FlowClosedEvent];
}
