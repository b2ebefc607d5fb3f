import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/errors.ts';
import type { OwnStatus } from './answers.ts';
import type { Backend } from './backend.ts';
import type { Backends, Seeker } from './backends.ts';
import type { ExchangeEnd } from './balancer-events.ts';
import type { BalancerRules } from './balancer-options.ts';
import type { EarlyBytes } from './early-bytes.ts';
import { JoinedSockets } from './joined-sockets.ts';
import { BodyError, BodyStream, takeWhole, type WholeBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';
import { Reply } from './reply.ts';
import { isBodiless } from './response-head.ts';
import { type Failure, isRepeatable, mayRenew, mayRetry } from './retry-rule.ts';
import { isLate, isOtherLength, isUnsendable } from './server-errors.ts';
import { upgradeHead } from './upgrade-head.ts';

/** Who has exchanges. */
export interface ExchangeOwner {
  readonly backends: Backends;
  readonly rules: BalancerRules;
  readonly clock: Clock;
  /** Whether connections are to close behind their answers. */
  readonly isClosing: boolean;
  /** It is over; told once. */
  onEnd(exchange: Exchange): void;
}

const NONE: ReadonlySet<Backend> = new Set();

const TOO_LARGE = 'the body is longer than is allowed here';

/** `asked`: until the server's answer begins; `over` behind it all. */
type State = 'asked' | 'answering' | 'joined' | 'over';

/** One request: where it goes, and how it ends. It is itself what undici tells of the answer. */
export class Exchange implements Seeker, Dispatcher.DispatchHandler {
  readonly request: IncomingMessage;
  readonly head: RequestHead;
  /** Where it is, or was last. */
  backend: Backend | undefined;
  /** How often it was tried again. */
  retries = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Of the answer, whoever gave it; 0 for none. */
  status = 0;
  end: ExchangeEnd | undefined;
  /** What went wrong at a server last. */
  error: Error | undefined;
  /** The owner's, for durations. */
  startedAt = 0;
  tried: ReadonlySet<Backend> = NONE;
  readonly #owner: ExchangeOwner;
  readonly #reply: Reply;
  /** What comes behind a request for an upgrade; undefined when it is none. */
  readonly #early: EarlyBytes | undefined;
  readonly #wantsContinue: boolean;
  #state: State = 'asked';
  /** Whether it has a place at its backend. */
  #placed = false;
  /** Whether the backend has been sent something of it. */
  #sent = false;
  /** Whether on a connection that had carried something before. */
  #reused = false;
  #continued = false;
  #body: WholeBody | BodyStream | undefined;
  #joined: JoinedSockets | undefined;
  #abort: ((error?: Error) => void) | undefined;

  /**
   * @param wantsContinue whether the client waits for `100 Continue` before it sends the body
   * @param early what comes behind the request's head, where the request is an upgrade
   */
  constructor(
    owner: ExchangeOwner,
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    wantsContinue: boolean,
    early?: EarlyBytes,
  ) {
    this.#owner = owner;
    this.request = request;
    this.#reply = new Reply(request, response, owner.rules.timeoutMs);
    this.head = head;
    this.#wantsContinue = wantsContinue;
    this.#early = early;
  }

  /** What the client sends as its body is none. Returns whether it could still be told. */
  refuseBody(): boolean {
    if (this.#state !== 'asked' || this.#reply.hasBegun) return false;
    this.#answer(400, 'the body cannot be read', true);
    this.#abort?.();
    return true;
  }

  /** Looks for a server, as soon as Node has read what came in one piece with the head: mostly the whole body. */
  start(): void {
    if (this.head.hasBody && !this.request.complete) queueMicrotask(() => this.#seek());
    else this.#seek();
  }

  /** Breaks it off, whatever it is doing. */
  destroy(): void {
    if (this.#joined !== undefined) return this.#joined.destroy();
    this.#break();
    this.#abort?.();
  }

  // What Backends tells.

  onBackend(backend: Backend): void {
    this.backend = backend;
    this.#placed = true;
    if (this.head.hasBody) this.#body ??= this.#takeBody();
    if (this.#bodyBytes > this.#owner.rules.bodyLimitBytes) this.#answer(413, TOO_LARGE);
    else this.#send(backend, false);
  }

  onRefused(reason: 'queue-full' | 'timeout'): void {
    this.#answer(503, reason === 'timeout' ? 'no server had room in time' : 'too many requests wait already');
  }

  // What undici tells.

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    this.#sent = true;
    this.#reused = this.backend?.connections.isReused === true;
    if (this.#state === 'over') return abort();
    if (!this.#wantsContinue || this.#continued) return;
    this.#continued = true;
    this.#reply.wantBody();
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, text: string): boolean {
    // Hints on the way to the answer: clients do without.
    if (status < 200) return true;
    // What it throws is the request's failure to undici.
    this.#reply.begin(status, text, raw, resume, this.#owner.isClosing);
    this.status = status;
    this.#state = 'answering';
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.bytesOut += chunk.length;
    return this.#reply.write(chunk);
  }

  onComplete(trailers: string[] | Buffer[] | null): void {
    this.#close('answered');
    this.#reply.finish(trailers);
  }

  onUpgrade(status: number, raw: Buffer[] | string[] | null, server: Duplex): void {
    const { socket } = this.request;
    this.#state = 'joined';
    this.status = status;
    this.#reply.letGo();
    socket.write(upgradeHead(status, (raw ?? []) as Buffer[], this.head.upgrade), 'latin1');
    this.#early?.release();
    this.#joined = new JoinedSockets(socket, server, (bytesIn, bytesOut) => {
      this.bytesIn = bytesIn;
      this.bytesOut = bytesOut;
      this.#close('upgraded');
    });
  }

  onError(error: Error): void {
    const { backend } = this;
    if (this.#state === 'over' || backend === undefined) return;
    if (error instanceof BodyError) {
      if (error.reason === 'too-large') return this.#answer(413, TOO_LARGE, true);
      return this.#leave();
    }
    if (isUnsendable(error)) return this.#answer(400, `the request cannot be passed on (${reasonOf(error)})`);
    if (this.#state === 'answering' && isBodiless(this.status) && isOtherLength(error)) return this.onComplete(null);
    this.error = error;
    const failure = this.#failure(backend, error);
    if (this.#state === 'asked' && mayRenew(failure)) return this.#send(backend, true);
    backend.failed(error, this.#sent);
    if (this.#state === 'answering') return this.#break();
    if (mayRetry(failure)) return this.#retry(backend);
    if (failure.isLate) this.#answer(504, 'the server has not answered in time');
    else this.#answer(502, this.#sent ? 'the server broke off before it answered' : 'no server can be reached');
  }

  // What the client does.

  /** Its connection is closed. Joined ones see to that by themselves. */
  onClientLeft(): void {
    if (this.#state !== 'over' && this.#state !== 'joined') this.#leave();
  }

  /** Nothing has moved on the client's connection for a while. */
  onClientSilent(): void {
    const isOwing = this.#body !== undefined && !this.request.complete && !this.request.isPaused();
    if (this.#state === 'asked' && isOwing) {
      this.#answer(408, 'the body has not come in time', true);
      this.#abort?.();
    } else if (isOwing || this.#reply.isUnread) this.#reply.breakOff();
    else this.#reply.awaitMore();
  }

  #seek(): void {
    if (this.#state === 'asked') this.#owner.backends.seek(this);
  }

  #takeBody(): WholeBody | BodyStream {
    const whole = takeWhole(this.request, this.head.bodyBytes);
    if (whole !== undefined) return whole;
    this.#reply.heedSilence();
    return new BodyStream(this.request, this.#owner.rules.bodyLimitBytes);
  }

  /** How much of the body has been taken from the client. */
  get #bodyBytes(): number {
    const body = this.#body;
    return body instanceof BodyStream ? body.bytes : (body?.length ?? 0);
  }

  /** @param isFresh whether over a connection that has carried nothing yet */
  #send(backend: Backend, isFresh: boolean): void {
    this.#abort = undefined;
    this.#sent = false;
    this.#reused = false;
    const { method = 'GET' } = this.request;
    const { path, headers, upgrade } = this.head;
    const body = this.#body ?? null;
    const isUpgrade = this.#early !== undefined && upgrade !== undefined;
    const request = { method, path, headers, body, ...(isUpgrade ? { upgrade } : {}) };
    const mayRepeat = isRepeatable(method) && !(body instanceof BodyStream);
    backend.connections.send(request, this, { isFresh, isRepeatable: mayRepeat });
  }

  #failure(backend: Backend, error: Error): Failure {
    const { rules, backends } = this.#owner;
    const { method = '' } = this.request;
    return {
      retries: this.retries,
      maxRetries: rules.retries,
      method,
      isSent: this.#sent,
      isWhole: !(this.#body instanceof BodyStream) || this.#body.isUntouched,
      isLate: isLate(error),
      isReused: this.#reused,
      hasOther: backends.hasOther(backend, this.tried),
    };
  }

  #retry(backend: Backend): void {
    this.retries += 1;
    this.tried = new Set([...this.tried, backend]);
    this.#release();
    this.#owner.backends.seek(this);
  }

  /** Says it in place of a server. @param isLast whether nothing more can come on the client's connection */
  #answer(status: OwnStatus, says: string, isLast = false): void {
    if (this.#state === 'over') return;
    if (this.#reply.hasBegun) return this.#break();
    this.status = status;
    // A client that waits for a word may send its body now, or not: that only a new connection tells.
    const isUnclear = this.#wantsContinue && !this.#continued;
    this.#close('refused');
    this.#reply.refuse(status, says, isLast || isUnclear || this.#owner.isClosing, this.#owner.clock);
  }

  #break(): void {
    this.#close('broken');
    this.#reply.breakOff();
  }

  #leave(): void {
    this.#close('client-left');
    this.#abort?.();
  }

  #release(): void {
    if (!this.#placed || this.backend === undefined) return;
    this.#placed = false;
    this.#owner.backends.leave(this.backend);
  }

  #close(end: ExchangeEnd): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.end = end;
    if (this.#body !== undefined) this.bytesIn = this.#bodyBytes;
    if (!this.#placed) this.#owner.backends.forget(this);
    this.#release();
    this.#owner.onEnd(this);
  }
}
