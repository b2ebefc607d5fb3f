/** What request clients tell: plain objects that nobody changes. Channels `poold:request:<event>`. */
import type { CloseReason } from '../close-reason.ts';
import type { BreakerState } from '../resilience/breaker.ts';

/** What every event says: the client's name. */
export interface RequestEvent {
  readonly client: string;
}

/** A request has its reply. `durationMs`: from the call to the reply, all tries included. */
export interface RequestAnsweredEvent extends RequestEvent {
  readonly attempts: number;
  readonly durationMs: number;
}

/** A request has failed for good; `error` is what its caller gets. */
export interface RequestFailedEvent extends RequestAnsweredEvent {
  readonly error: unknown;
}

/** A try has failed, and there is another. */
export interface RequestRetriedEvent extends RequestEvent {
  /** Tries so far. */
  readonly attempts: number;
  readonly retryInMs: number;
  readonly error: unknown;
}

/** A connection was taken out of its server's pool for requests. */
export interface LineOpenedEvent extends RequestEvent {
  readonly server: string;
  /** The connection's ID in its pool. */
  readonly id: string;
}

/** It went back (`released`), or was closed. */
export interface LineEndedEvent extends LineOpenedEvent {
  readonly reason: CloseReason | 'released';
  /** Requests that were lost with it. */
  readonly lost: number;
}

/** A server is left alone, tried, or used again. */
export interface ServerBreakerEvent extends RequestEvent {
  readonly server: string;
  readonly state: BreakerState;
}

export interface RequestEventMap {
  answered: [RequestAnsweredEvent];
  failed: [RequestFailedEvent];
  retried: [RequestRetriedEvent];
  lineOpened: [LineOpenedEvent];
  lineEnded: [LineEndedEvent];
  breakerChanged: [ServerBreakerEvent];
  clientClosed: [RequestEvent];
}
