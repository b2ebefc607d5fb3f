/** What both ends of a tunnel tell about visits, and about targets. */
import type { PooldError } from '../errors.ts';
import type { RelayEnd } from '../relay/relay.ts';
import type { FlowEventMap } from './flow-events.ts';
import type { RefusalReason } from './refusal.ts';

/** A visit, by where its visitor came from and the connection that carries it. */
export interface VisitEvent {
  /** The visitor, `ip:port`. */
  readonly remote: string;
  /** The pooled connection's ID, the same at both ends. */
  readonly id: string;
  /** The client process that the connection is of, the same at both ends. */
  readonly client: string;
}

/** A visit began. On a server, `waitedMs` is how long the visitor waited for a connection. */
export interface VisitOpenedEvent extends VisitEvent {
  readonly waitedMs: number;
}

/** A visit is over, and its visitor's or target's socket is closed. */
export interface VisitClosedEvent extends VisitEvent {
  /** Payload bytes from and to the other side of the tunnel. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly reason: RelayEnd;
  /** What broke it, where something did. */
  readonly error: Error | undefined;
}

/**
 * A visitor was turned away: by the rules for visitors (VisitorRefusedError, and `waitedMs` is 0), or because nothing was
 * idle in time, the queue was full, or the pool closed.
 */
export interface VisitRefusedEvent {
  readonly remote: string;
  readonly waitedMs: number;
  readonly reason: RefusalReason;
  readonly error: unknown;
}

/** A target fails: visits go to the others, if there are any. `target` is its address. */
export interface TargetDownEvent {
  readonly target: string;
  /** How it failed last. */
  readonly error: Error;
}

/** A target that was down takes visits again. */
export interface TargetUpEvent {
  readonly target: string;
}

export interface VisitEventMap extends FlowEventMap {
  visitOpened: [VisitOpenedEvent];
  visitClosed: [VisitClosedEvent];
  visitRefused: [VisitRefusedEvent];
  targetDown: [TargetDownEvent];
  targetUp: [TargetUpEvent];
  fault: [{ readonly error: PooldError }];
}
