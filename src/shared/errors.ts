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

/** What a {@link DialError} may carry besides its message. */
export interface DialErrorOptions extends PooldErrorOptions {
  /** Default false. */
  readonly refused?: boolean;
}

/** A pooled connection could not be dialled; `stage` says how far it came. */
export class DialError extends PooldError {
  readonly code = 'POOLD_ERR_DIAL';
  readonly stage: DialStage;
  /** Whether somebody on the way, a proxy, does not let us in as we are: only a person can mend that. */
  readonly refused: boolean;

  constructor(stage: DialStage, message: string, options: DialErrorOptions = {}) {
    super(message, options);
    this.stage = stage;
    this.refused = options.refused === true;
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

/** Connecting, TLS, tag and greeting together took longer than `handshakeTimeoutMs`. */
export class HandshakeTimeoutError extends PooldError {
  readonly code = 'POOLD_ERR_HANDSHAKE_TIMEOUT';
  readonly stage: DialStage;

  /** @param proxy who was still to connect us to the server, `host:port`; undefined when it was the server's turn */
  constructor(stage: DialStage, timeoutMs: number, proxy?: string) {
    super(
      proxy === undefined
        ? `the other side was silent at the stage "${stage}" for ${timeoutMs} ms; check that it is a poold of the same TLS mode`
        : `the proxy ${proxy} has not connected us to the server in ${timeoutMs} ms; check its URL, that it runs, and the server's address`,
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
  readonly code: 'POOLD_ERR_REJECTED' | 'POOLD_ERR_TOKEN_EXPIRED' = 'POOLD_ERR_REJECTED';
  readonly reason: RejectCode;
  /** What the refuser says about it to the other side. */
  readonly detail: string;
  /** How long the refuser asks to wait before the next try, ms; undefined if it does not say. */
  readonly retryAfterMs: number | undefined;

  /** @param detail what the other side is told, if not `message` */
  constructor(reason: RejectCode, message: string, retryAfterMs?: number, detail = message) {
    super(`refused (${reason}): ${message}`);
    this.reason = reason;
    this.detail = detail;
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

/** A client has proved a token that has expired. It is told what everybody is told whose token is wrong. */
export class TokenExpiredError extends RejectedError {
  override readonly code = 'POOLD_ERR_TOKEN_EXPIRED';
  /** The token's name, if it has one. */
  readonly token: string | undefined;

  constructor(token: string | undefined, expiredAt: number, detail: string) {
    const which = token === undefined ? 'the token' : `the token ${token}`;
    const when = new Date(expiredAt).toISOString();
    super('auth', `${which} expired at ${when}; give the client a new one, or set a later end`, undefined, detail);
    this.token = token;
  }
}

/** Why a visitor is turned away before it waits for anything. */
export type VisitorRefusal =
  | 'denied'
  | 'full'
  | 'address'
  | 'rate'
  | 'descriptors'
  | 'host'
  | 'proxy-header'
  | 'preface';

const VISITOR_REFUSALS: Readonly<Record<VisitorRefusal, string>> = {
  denied: 'its address is kept out by the rules (allow, deny)',
  full: 'as many visitors are in as may be; raise maxVisitors if the machine can carry more',
  address:
    'as many visitors from its address are in as may be; raise maxVisitorsPerAddress if many people share the address',
  rate: 'too many new visitors come from its address; raise visitorRate or visitorBurst if they are wanted',
  descriptors: 'the process is short of descriptors; raise its limit of open files (ulimit -n)',
  host: 'no tunnel at this address has the host that it asks for; add that to the hosts of one',
  'proxy-header':
    'it comes from a trusted proxy (proxyFrom) without a PROXY header that can be read; have the proxy send one, or trust it no more',
  preface:
    'it has not said in time what it wants, or too many are asked at once; services that speak first have no place at an address with hosts',
};

/**
 * A visitor was turned away where it came in: by the rules for visitors, because nobody there has the host that it asks for,
 * or because the process has no room for it.
 */
export class VisitorRefusedError extends PooldError {
  readonly code = 'POOLD_ERR_VISITOR_REFUSED';
  readonly reason: VisitorRefusal;

  /** @param detail what the visitor asked for, if that says more */
  constructor(reason: VisitorRefusal, detail?: string) {
    super(detail === undefined ? VISITOR_REFUSALS[reason] : `${VISITOR_REFUSALS[reason]} (${detail})`);
    this.reason = reason;
  }
}

/** The process has nearly as many descriptors as the system lets it have: who comes now is turned away. */
export class DescriptorsError extends PooldError {
  readonly code = 'POOLD_ERR_DESCRIPTORS';
  /** The process's limit of open files; undefined where the system does not say. */
  readonly limit: number | undefined;

  constructor(who: string, limit: number | undefined, fate = 'turned away') {
    const has = limit === undefined ? 'it has none left' : `the process may have ${limit}`;
    super(
      `new ${who} are ${fate} until descriptors are free: ${has}; raise its limit of open files (ulimit -n, LimitNOFILE=)`,
    );
    this.limit = limit;
  }
}
