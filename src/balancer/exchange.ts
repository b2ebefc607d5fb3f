import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../shared/clock.ts';
import { reasonOf } from '../shared/errors.ts';
import type { OwnStatus } from './answers.ts';
import type { Backend } from './backend.ts';
import type { Backends, Seeker } from './backends.ts';
import type { ExchangeEnd } from './balancer-events.ts';
import type { BalancerRules } from './balancer-options.ts';
import type { EarlyBytes } from './early-bytes.ts';
import type { Linked } from '../shared/pool/linked-list.ts';
import { JoinedSockets } from './joined-sockets.ts';
import { Reply, type ReplyOwner } from './reply.ts';
import { BodyStream, isStream, takeWhole, type WholeBody } from './request-body.ts';
import { type RequestHead, sentHeaders } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';
import { isRepeatable, mayRenew, mayRetry } from './retry-rule.ts';
import { type CallFailure, type CallOwner, ServerCall } from './server-call.ts';
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

/** What Node's parser lets through in a reason, and Node does not say again. */
const UNSAYABLE = /[^\t\x20-\x7e\x80-\xff]/;

const TOO_LARGE = 'the body is longer than is allowed here';

/**
 * - `asked`: until the server's answer begins
 * - `answering`: until all of it has come
 * - `answered`: until the client has it
 * - `joined`: it is an exchange of HTTP no more
 */
type State = 'asked' | 'answering' | 'answered' | 'joined' | 'over';

/** One request: where it goes, and how it ends. */
export class Exchange implements Seeker, CallOwner, ReplyOwner, Linked<Exchange> {
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
  previous: Exchange | undefined;
  next: Exchange | undefined;
  readonly #owner: ExchangeOwner;
  readonly #reply: Reply;
  /** What comes behind a request for an upgrade; undefined when it is none. */
  readonly #early: EarlyBytes | undefined;
  readonly #wantsContinue: boolean;
  #state: State = 'asked';
  /** The try that is on. */
  #call: ServerCall | undefined;
  /** Whether it has a place at its backend. */
  #placed = false;
  #continued = false;
  #body: WholeBody | BodyStream | undefined;
  #joined: JoinedSockets | undefined;

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
    this.#reply = new Reply(request, response, owner.rules.timeoutMs, this);
    this.head = head;
    this.#wantsContinue = wantsContinue;
    this.#early = early;
  }

  /** What the client sends as its body is none. Returns whether it could still be told. */
  refuseBody(): boolean {
    if (this.#state !== 'asked' || this.#reply.hasBegun) return false;
    this.#answer(400, 'the body cannot be read', true);
    return true;
  }

  /** Looks for a server, as soon as Node has read what came in one piece with the head: mostly the whole body. */
  start(): void {
    if (this.head.hasBody && !this.request.complete) queueMicrotask(() => this.#seek());
    else this.#seek();
  }

  /** Breaks it off, whatever it is doing. */
  destroy(): void {
    if (this.#joined !== undefined) this.#joined.destroy();
    else this.#break();
  }

  // What Backends tells.

  onBackend(backend: Backend): void {
    this.backend = backend;
    this.#placed = true;
    if (this.head.hasBody) this.#body ??= this.#takeBody();
    if (this.#bodyBytes > this.#owner.rules.bodyLimitBytes) return this.#answer(413, TOO_LARGE);
    const mayRepeat = isRepeatable(this.#method) && !isStream(this.#body);
    this.#send(backend, !mayRepeat && backend.connections.isDoubted);
  }

  onRefused(reason: 'queue-full' | 'timeout'): void {
    this.#answer(503, reason === 'timeout' ? 'no server had room in time' : 'too many requests wait already');
  }

  // What the try tells that is on.

  get isOwing(): boolean {
    return isStream(this.#body) && !this.request.complete && !this.request.isPaused();
  }

  onConnected(): void {
    if (!this.#wantsContinue || this.#continued) return;
    this.#continued = true;
    this.#reply.wantBody();
  }

  onAnswer({ statusCode = 0, statusMessage = '' }: IncomingMessage, head: ResponseHead): void {
    // The server has done what was asked: no other one is to do it, too.
    if (head.isCoded) return this.#answer(502, 'the answer has a Transfer-Encoding other than chunked');
    if (statusCode < 100) return this.#answer(502, 'the answer has a status that is none');
    this.#reply.begin(statusCode, UNSAYABLE.test(statusMessage) ? '' : statusMessage, head, this.#owner.isClosing);
    this.status = statusCode;
    this.#state = 'answering';
  }

  onData(chunk: Buffer): boolean {
    this.bytesOut += chunk.length;
    return this.#reply.write(chunk);
  }

  onAnswered(trailers: readonly string[]): void {
    this.#state = 'answered';
    this.#reply.finish(trailers);
  }

  onUpgraded({ statusCode = 0, rawHeaders }: IncomingMessage, server: Duplex): void {
    const { socket } = this.request;
    this.#state = 'joined';
    this.status = statusCode;
    this.#reply.letGo();
    socket.write(upgradeHead(statusCode, rawHeaders, this.head.upgrade), 'latin1');
    this.#early?.release();
    this.#joined = new JoinedSockets(socket, server, (bytesIn, bytesOut) => {
      this.bytesIn = bytesIn;
      this.bytesOut = bytesOut;
      this.#close('upgraded');
    });
  }

  onFailed({ error, isSent, isStale, isLate }: CallFailure): void {
    const { backend } = this;
    if (backend === undefined) return;
    if (isUnsendable(error)) return this.#answer(400, `the request cannot be passed on (${reasonOf(error)})`);
    this.error = error;
    const { rules, backends } = this.#owner;
    const failure = {
      retries: this.retries,
      maxRetries: rules.retries,
      method: this.#method,
      isSent,
      isWhole: !isSent || !isStream(this.#body),
      isLate,
      isStale,
      hasOther: backends.hasOther(backend, this.tried),
    };
    // Its place is kept.
    if (this.#state === 'asked' && mayRenew(failure)) return this.#send(backend, true);
    this.#call = undefined;
    this.#leave();
    backend.failed(error, isSent);
    if (this.#state === 'answering') this.#break();
    else if (mayRetry(failure)) this.#retry(backend);
    else if (isLate) this.#answer(504, 'the server has not answered in time');
    else this.#answer(502, isSent ? 'the server broke off before it answered' : 'no server can be reached');
  }

  onGone(call: ServerCall): void {
    if (call === this.#call) this.#leave();
  }

  // What the reply tells.

  onDrain(): void {
    this.#call?.resume();
  }

  onReplied(): void {
    this.#close('answered');
  }

  // What the client does.

  /** Its connection is closed. Joined ones see to that by themselves. */
  onClientLeft(): void {
    if (this.#state !== 'joined') this.#close('client-left');
  }

  /** Nothing has moved on the client's connection for a while. */
  onClientSilent(): void {
    const { isOwing } = this;
    if (this.#state === 'asked' && isOwing) this.#answer(408, 'the body has not come in time', true);
    else if (isOwing || this.#reply.isUnread) this.#reply.breakOff();
    else this.#reply.awaitMore();
  }

  #seek(): void {
    if (this.#state === 'asked') this.#owner.backends.seek(this);
  }

  #takeBody(): WholeBody | BodyStream {
    const whole = takeWhole(this.request, this.head.bodyBytes);
    if (whole !== undefined) return whole;
    this.#reply.heedSilence();
    return new BodyStream(this.request, this.#owner.rules.bodyLimitBytes, () => this.#answer(413, TOO_LARGE, true));
  }

  get #method(): string {
    return this.request.method ?? 'GET';
  }

  /** How much of the body has been taken from the client. */
  get #bodyBytes(): number {
    const body = this.#body;
    return isStream(body) ? body.bytes : (body?.length ?? 0);
  }

  /** @param isAlone whether over a connection that carries nothing else */
  #send(backend: Backend, isAlone: boolean): void {
    const body = this.#body;
    const upgrade = this.#early === undefined ? undefined : this.head.upgrade;
    const sending = {
      method: this.#method,
      path: this.head.path,
      headers: sentHeaders(this.head, {
        method: this.#method,
        host: backend.host,
        bodyBytes: isStream(body) ? undefined : (body?.length ?? 0),
        upgrade,
      }),
      body,
      upgrade,
      isAlone,
      maxHeaderBytes: this.#owner.rules.backend.maxHeaderBytes,
    };
    this.#call = new ServerCall(backend.connections, sending, this);
    this.#call.start();
  }

  #retry(backend: Backend): void {
    this.retries += 1;
    this.tried = new Set([...this.tried, backend]);
    this.#owner.backends.seek(this);
  }

  /** Gives its place back. */
  #leave(): void {
    if (!this.#placed || this.backend === undefined) return;
    this.#placed = false;
    this.#owner.backends.leave(this.backend);
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

  #close(end: ExchangeEnd): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.end = end;
    if (this.#body !== undefined) this.bytesIn = this.#bodyBytes;
    this.#owner.backends.forget(this);
    this.#call?.abandon();
    // One that has a place and no connection yet.
    if (this.#call === undefined) this.#leave();
    this.#owner.onEnd(this);
  }
}

/** Node does not take a request like this. */
function isUnsendable(error: Error): boolean {
  return /^ERR_(?:INVALID|UNESCAPED)_/.test((error as NodeJS.ErrnoException).code ?? '');
}
