import type { FlowClosedEvent, FlowEnd } from './flow-events.ts';
import type { TableFlow } from './flow-table.ts';

/** What a flow is at either end: a place in a table, and what it has carried. */
export abstract class Flow<F> implements TableFlow<F> {
  /** The visitor, `ip:port`. */
  readonly remote: string;
  readonly startedAt: number;
  previous: F | undefined;
  next: F | undefined;
  lastAt: number;
  answered = false;
  /** Datagrams from and to the other side of the tunnel. */
  datagramsIn = 0;
  datagramsOut = 0;

  constructor(remote: string, now: number) {
    this.remote = remote;
    this.startedAt = now;
    this.lastAt = now;
  }

  /** What is told of its end. */
  closed(reason: FlowEnd, now: number): FlowClosedEvent {
    const { remote, datagramsIn, datagramsOut } = this;
    return { remote, datagramsIn, datagramsOut, durationMs: now - this.startedAt, reason };
  }
}
