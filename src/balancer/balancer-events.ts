import type { PooldError, VisitorRefusal } from '../shared/errors.ts';

/** What a {@link HttpBalancer} tells, also on the channels `poold:balancer:<event>`. */
export interface BalancerEventMap {
  /** Requests go to a server no more, until it is up again. */
  readonly serverDown: [{ readonly server: string; readonly error: Error }];
  readonly serverUp: [{ readonly server: string }];
  /** A request is over. */
  readonly requestClosed: [RequestClosedEvent];
  /** A client was turned away as it came, or by what it sent: no HTTP, a head too long or too slow. */
  readonly clientRefused: [ClientRefusedEvent];
  /** Something lacks that no client and no server can help. */
  readonly fault: [{ readonly error: PooldError }];
}

/** How a request can end. */
export type ExchangeEnd =
  /** The server's answer has gone out, all of it. */
  | 'answered'
  /** The client was told something by the balancer itself. */
  | 'refused'
  /** The server was lost in the middle of its answer, or the balancer was closed; the client's connection was reset. */
  | 'broken'
  /** The client has left, or reads or sends nothing. */
  | 'client-left'
  /** It became a connection of another protocol, which is over. */
  | 'upgraded';

export interface RequestClosedEvent {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Who asked, an IP address. */
  readonly remote: string | undefined;
  /** Where it went last; undefined when it went nowhere. */
  readonly server: string | undefined;
  /** Of the answer, whoever gave it; 0 for none. */
  readonly status: number;
  readonly end: ExchangeEnd;
  readonly retries: number;
  readonly durationMs: number;
  /** Of the bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What went wrong at a server last, if something did. */
  readonly error: Error | undefined;
}

/** Why a client is refused before a request of it is read: as visitors are, or by what it sent. */
export type ClientRefusal = VisitorRefusal | 'bad-request' | 'header-too-long' | 'too-slow' | 'too-many';

export interface ClientRefusedEvent {
  readonly remote: string | undefined;
  readonly reason: ClientRefusal;
}
