/**
 * Every error that poold throws, rejects with or reports in an event. Programs tell them apart by
 * `code`, which never changes once released; people read the message, which says what to do next.
 */

/** What an error may carry besides its message. */
export interface PooldErrorOptions {
  /** The error underneath, if another one led to this. */
  readonly cause?: unknown;
}

/** The common base: `instanceof PooldError` is true for everything that poold throws by itself. */
export abstract class PooldError extends Error {
  /** Stable name for programs, `POOLD_ERR_…`. */
  abstract readonly code: `POOLD_ERR_${string}`;

  constructor(message: string, options?: PooldErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An option is unknown, out of range, of the wrong type, or at odds with another one. */
export class InvalidOptionError extends PooldError {
  readonly code = 'POOLD_ERR_INVALID_OPTION';
  /** The option as the caller wrote it, for instance `tls.mode`. */
  readonly option: string;

  constructor(option: string, problem: string, options?: PooldErrorOptions) {
    super(`${option}: ${problem}`, options);
    this.option = option;
  }
}

/** A setting outside the code (a token file, a certificate, an environment variable) cannot be used. */
export class ConfigError extends PooldError {
  readonly code = 'POOLD_ERR_CONFIG';
}

/** What the pool looked like when an acquire failed: the numbers that say why. */
export interface PoolLevel {
  readonly idle: number;
  readonly inUse: number;
  readonly connecting: number;
  readonly waiting: number;
}

function describe(level: PoolLevel): string {
  return `${level.idle} idle, ${level.inUse} in use, ${level.connecting} being dialled, ${level.waiting} waiting`;
}

/** No connection became idle (or came under the wanted ID) before the timeout. */
export class AcquireTimeoutError extends PooldError {
  readonly code = 'POOLD_ERR_ACQUIRE_TIMEOUT';
  /** How long the caller has waited, ms. */
  readonly waitedMs: number;
  readonly level: PoolLevel;

  constructor(what: string, waitedMs: number, level: PoolLevel) {
    super(
      `${what} after ${Math.round(waitedMs)} ms: ${describe(level)}; raise the pool's maximum or check the other side`,
    );
    this.waitedMs = waitedMs;
    this.level = level;
  }
}

/** `maxWaiting` acquires are waiting already. */
export class QueueFullError extends PooldError {
  readonly code = 'POOLD_ERR_QUEUE_FULL';
  readonly level: PoolLevel;

  constructor(maxWaiting: number, level: PoolLevel) {
    super(
      `the wait queue is full (maxWaiting ${maxWaiting}): ${describe(level)}; raise maxWaiting or send fewer at once`,
    );
    this.level = level;
  }
}

/** The pool is closed or closing. */
export class PoolClosedError extends PooldError {
  readonly code = 'POOLD_ERR_POOL_CLOSED';

  constructor(name: string, options?: PooldErrorOptions) {
    super(`pool ${name} is closed; make a new one`, options);
  }
}

/** A lease was given back twice, or to a pool that never handed it out. */
export class NotOwnedError extends PooldError {
  readonly code = 'POOLD_ERR_NOT_OWNED';

  constructor(id: string, problem: string) {
    super(`connection ${id} ${problem}; give each lease back exactly once, to the pool it came from`);
  }
}

/** Where a dial can fail, in the order of the steps. */
export type DialStage = 'resolve' | 'connect' | 'tls' | 'tag' | 'greeting';

/** A pooled connection could not be dialled; `stage` says how far it came. */
export class DialError extends PooldError {
  readonly code = 'POOLD_ERR_DIAL';
  readonly stage: DialStage;

  constructor(stage: DialStage, message: string, options?: PooldErrorOptions) {
    super(message, options);
    this.stage = stage;
  }
}

/** What came where the 8-byte tag is due is not a tag. */
export class BadTagError extends PooldError {
  readonly code = 'POOLD_ERR_BAD_TAG';
}

/** The server's certificate does not have the pinned SHA-256 fingerprint. */
export class FingerprintError extends PooldError {
  readonly code = 'POOLD_ERR_FINGERPRINT';
}

/** The server's WELCOME asks for settings outside sane bounds. */
export class BadSettingsError extends PooldError {
  readonly code = 'POOLD_ERR_BAD_SETTINGS';
}

/** TLS, tag and greeting together took longer than `handshakeTimeoutMs`. */
export class HandshakeTimeoutError extends PooldError {
  readonly code = 'POOLD_ERR_HANDSHAKE_TIMEOUT';
  readonly stage: DialStage;

  constructor(stage: DialStage, timeoutMs: number) {
    super(
      `the other side was silent at the stage "${stage}" for ${timeoutMs} ms; check that it is a poold of the same TLS mode`,
    );
    this.stage = stage;
  }
}

/** A peer's address is not in the allow list. */
export class AddressRefusedError extends PooldError {
  readonly code = 'POOLD_ERR_ADDRESS_REFUSED';
}

/** Why a server turns a client away (protocol.md, REJECT). */
export type RejectCode = 'auth' | 'version' | 'busy' | 'tunnel' | 'full' | 'limit';

/** The other side refused the greeting. */
export class RejectedError extends PooldError {
  readonly code = 'POOLD_ERR_REJECTED';
  readonly reason: RejectCode;
  /** What the refuser says about it. */
  readonly detail: string;
  /** How long the refuser asks to wait before the next try, ms; undefined if it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: RejectCode, message: string, retryAfterMs?: number) {
    super(`refused (${reason}): ${message}`);
    this.reason = reason;
    this.detail = message;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The other side sent bytes that the protocol does not allow here. */
export class ProtocolError extends PooldError {
  readonly code = 'POOLD_ERR_PROTOCOL';
}

/** The service behind the client could not be reached. */
export class TargetError extends PooldError {
  readonly code = 'POOLD_ERR_TARGET';
}

/** A visit was abandoned; `resetCode` is the number on the wire (protocol.md, RESET codes). */
export class VisitResetError extends PooldError {
  readonly code = 'POOLD_ERR_VISIT_RESET';
  readonly resetCode: number;

  constructor(resetCode: number, message: string, options?: PooldErrorOptions) {
    super(message, options);
    this.resetCode = resetCode;
  }
}

/** The cause inside `error` as one line for people, without a stack. */
export function reasonOf(error: unknown): string {
  // Node's, when none of a name's addresses can be reached: it has no message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Too many failures in a row: the circuit breaker lets nothing through until its pause is over. */
export class CircuitOpenError extends PooldError {
  readonly code = 'POOLD_ERR_CIRCUIT_OPEN';
  /** When the next try may be made, ms from now; 0 while another try is under way that decides. */
  readonly retryInMs: number;

  constructor(name: string, retryInMs: number) {
    const when = retryInMs > 0 ? `try again in ${Math.ceil(retryInMs)} ms` : 'one try is under way: wait for its end';
    super(`${name} has failed too often in a row; ${when}, or use another node`);
    this.retryInMs = retryInMs;
  }
}

/** A group has no nodes to get a connection from. */
export class NoNodeError extends PooldError {
  readonly code = 'POOLD_ERR_NO_NODE';

  constructor(group: string) {
    super(`group ${group} has no nodes; add one, or check what finds them`);
  }
}

/** Nobody answers at the admin address of a running command, or not with its status. */
export class StatusError extends PooldError {
  readonly code = 'POOLD_ERR_STATUS';
}

/** A node's health check had no result in time. */
export class HealthCheckTimeoutError extends PooldError {
  readonly code = 'POOLD_ERR_HEALTH_CHECK_TIMEOUT';

  constructor(node: string, timeoutMs: number) {
    super(`node ${node} has not passed its health check within ${timeoutMs} ms; look after it, or raise timeoutMs`);
  }
}

/** A lookup of the names behind a server spec failed, or a part of it; what was known is kept meanwhile. */
export class DiscoveryError extends PooldError {
  readonly code = 'POOLD_ERR_DISCOVERY';
  /** The spec as it was given, `dns:…` or `srv:…`. */
  readonly spec: string;
  /** When it is looked up again, ms from now. */
  readonly retryInMs: number;

  constructor(spec: string, known: number, retryInMs: number, cause: unknown) {
    super(
      `${spec}: ${reasonOf(cause)}; going on with ${known} known addresses, asking again in ${Math.round(retryInMs)} ms; check the name and the DNS servers`,
      { cause },
    );
    this.spec = spec;
    this.retryInMs = retryInMs;
  }
}
