/** What pools tell: plain objects that nobody changes, one type for each step. */
import type { CloseReason } from '../close-reason.ts';
import type { PutRefusal } from './pool-connection.ts';
import type { DialStage, PooldError } from '../errors.ts';

/** What every event says: the pool's name. Events are plain objects that nobody changes. */
export interface PoolEvent {
  readonly pool: string;
}

/** An event about one connection. */
export interface ConnectionEvent extends PoolEvent {
  readonly id: string;
}

/** A new connection came in and is ready. `connectMs`: from the reservation to now, 0 when there was none. */
export interface ConnectionReadyEvent extends ConnectionEvent {
  readonly group: string;
  /** The other end, `ip:port`, where the connection knows it. */
  readonly remote: string | undefined;
  readonly connectMs: number;
  /** At a server: the name of the token that let its client in, if that has one. */
  readonly token?: string;
}

/** A connection left the pool. `ageMs`: since it came in. */
export interface ConnectionClosedEvent extends ConnectionEvent {
  readonly group: string;
  readonly reason: CloseReason;
  readonly ageMs: number;
}

/** `put` closed a connection instead of keeping it. */
export interface PutRefusedEvent extends ConnectionEvent {
  readonly reason: PutRefusal;
}

/** A connection was handed out. `waitedMs`: how long the acquire took. */
export interface AcquiredEvent extends ConnectionEvent {
  readonly waitedMs: number;
}

/** An acquire or get ended without a connection. `error` is the abort's reason or one of the pool's errors. */
export interface AcquireFailedEvent extends PoolEvent {
  readonly waitedMs: number;
  readonly error: unknown;
}

/** A connection came back and is idle. `usedMs`: how long it was out; 0 when nobody listened as it was handed out. */
export interface ReleasedEvent extends ConnectionEvent {
  readonly usedMs: number;
}

/** Bytes arrived on an idle raw connection: its peer has taken it, and it waits for `get(id)`. */
export type ClaimedEvent = ConnectionEvent;

/** `clean` or `flush` was called. `closed`: how many connections it closed. */
export interface FlushedEvent extends PoolEvent {
  readonly closed: number;
  readonly generation: number;
}

export interface CapacityChangedEvent extends PoolEvent {
  readonly capacity: number;
  readonly previous: number;
}

/** A lease is out for longer than `leakThresholdMs`; `stack` is where it was acquired. Said once for each lease. */
export interface LeakSuspectedEvent extends ConnectionEvent {
  readonly usedMs: number;
  readonly stack: string;
}

/** The pool is closed and holds nothing any more. */
export type PoolClosedEvent = PoolEvent;

/** Trouble that belongs to no call: a dial, a handshake, a listener. Nothing breaks when nobody listens. */
export interface FaultEvent extends PoolEvent {
  readonly error: PooldError;
}

/** A client pool made a connection. `durationMs`: from the first packet to idle. */
export interface DialedEvent extends ConnectionEvent {
  readonly durationMs: number;
}

/** A client pool failed to make a connection. */
export interface DialFailedEvent extends PoolEvent {
  readonly stage: DialStage;
  /** How many dials have failed in a row. */
  readonly attempt: number;
  /** When the next one starts, ms from now. */
  readonly retryInMs: number;
  readonly error: PooldError;
}

/** A server pool turned a connection away before it was pooled. */
export interface HandshakeFailedEvent extends PoolEvent {
  /** The other end, `ip:port`. */
  readonly remote: string;
  readonly error: PooldError;
}

/** The events of all pools, by name. The last three before `fault` come from the ends that dial and accept. */
export interface PoolEventMap {
  connectionReady: [ConnectionReadyEvent];
  connectionClosed: [ConnectionClosedEvent];
  putRefused: [PutRefusedEvent];
  acquired: [AcquiredEvent];
  acquireFailed: [AcquireFailedEvent];
  released: [ReleasedEvent];
  claimed: [ClaimedEvent];
  cleaned: [FlushedEvent];
  flushed: [FlushedEvent];
  capacityChanged: [CapacityChangedEvent];
  leakSuspected: [LeakSuspectedEvent];
  poolClosed: [PoolClosedEvent];
  dialed: [DialedEvent];
  dialFailed: [DialFailedEvent];
  handshakeFailed: [HandshakeFailedEvent];
  fault: [FaultEvent];
}
