/** One try of a request at one server: a connection, what is sent on it, and what comes of that. */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import type { Duplex } from 'node:stream';
import { TargetError } from '../shared/errors.ts';
import { type BodyStream, isStream, type WholeBody } from './request-body.ts';
import { readResponseHead, type ResponseHead } from './response-head.ts';
import type { Carried, ServerConnection } from './server-connection.ts';
import { keptMsOf, type ServerConnections } from './server-connections.ts';

/** What is sent. */
export interface Sending {
  readonly method: string;
  readonly path: string;
  /** Names and values, one after the other. */
  readonly headers: readonly string[];
  readonly body: WholeBody | BodyStream | undefined;
  /** The protocol to go on with. */
  readonly upgrade: string | undefined;
  /** It wants a connection that has carried nothing yet, and carries nothing more behind it. */
  readonly isAlone: boolean;
  readonly maxHeaderBytes: number;
}

/** Why there is no whole answer. */
export interface CallFailure {
  readonly error: Error;
  /** Whether the server has been sent something of it. */
  readonly isSent: boolean;
  /** Whether its connection had carried something before, and was closed with no answer: perhaps before it came. */
  readonly isStale: boolean;
  /** Whether the server was too slow, and not lost. */
  readonly isLate: boolean;
}

/**
 * Who hears of a call. Once it has failed, was answered or {@link ServerCall.abandon}ed, nothing more is told but that it is gone;
 * of one that has failed even that may have been told.
 */
export interface CallOwner {
  /** Whether the client has still to send something of the body: then it is not the server that is silent. */
  readonly isOwing: boolean;
  /** There is a connection, and the request is on its way. */
  onConnected(): void;
  /** The head of the answer is there, and the body follows. */
  onAnswer(answer: IncomingMessage, head: ResponseHead): void;
  /** A piece of its body. Returns whether more is wanted; else {@link ServerCall.resume} follows. */
  onData(chunk: Buffer): boolean;
  /** The answer is whole. @param trailers names and values, one after the other */
  onAnswered(trailers: readonly string[]): void;
  /** The connection goes on in another protocol, and is the owner's now. */
  onUpgraded(answer: IncomingMessage, server: Duplex): void;
  onFailed(failure: CallFailure): void;
  /** The call's connection is free again, or closed: the place at the server is, too. */
  onGone(call: ServerCall): void;
}

/** What Node's objects carry to find their call. */
interface Carrying {
  call?: ServerCall;
}

export class ServerCall implements Carried {
  readonly #connections: ServerConnections;
  readonly #sending: Sending;
  readonly #owner: CallOwner;
  #cancelDial: (() => void) | undefined;
  #connection: ServerConnection | undefined;
  #request: ClientRequest | undefined;
  #answer: IncomingMessage | undefined;
  #isReused = false;
  #isOver = false;
  #isPaused = false;
  /** Its answer ends with the connection. */
  #isOpenEnded = false;

  constructor(connections: ServerConnections, sending: Sending, owner: CallOwner) {
    this.#connections = connections;
    this.#sending = sending;
    this.#owner = owner;
  }

  /** Begins. It may fail at once. */
  start(): void {
    const kept = this.#sending.isAlone ? undefined : this.#connections.take();
    if (kept !== undefined) return this.#send(kept, true);
    this.#cancelDial = this.#connections.dial((connection, error) => {
      if (connection !== undefined) this.#send(connection, false);
      else this.#fail(error ?? new Error('no connection'));
    });
  }

  /** Has the answer go on. */
  resume(): void {
    this.#isPaused = false;
    this.#answer?.resume();
  }

  /** Breaks it off: nobody wants its answer any more. */
  abandon(): void {
    if (this.#isOver) return;
    this.#end();
    if (this.#connection !== undefined) return this.#connection.close('destroyed');
    this.#cancelDial?.();
    this.#owner.onGone(this);
  }

  // What its connection tells.

  onSilent(): void {
    // Whatever keeps it from being free: nobody waits for it.
    if (this.#isOver) return this.#connection?.close('unfinished');
    if (this.#isPaused || this.#owner.isOwing) return this.#connection?.awaitMore();
    this.#fail(new TargetError('the server is silent'), true);
  }

  onGone(): void {
    // Node tells of most ends itself; not of a 101 that nobody asked for. An answer that is whole may wait for its client.
    const isDue = !this.#isOver && this.#answer?.complete !== true;
    if (isDue) this.#fail(new Error('the server has closed the connection'));
    else this.#owner.onGone(this);
  }

  // What Node tells.

  onResponse(answer: IncomingMessage): void {
    if (this.#isOver) return;
    this.#answer = answer;
    (answer as Carrying).call = this;
    answer.on('data', onData).on('end', onEnd).on('error', onError);
    const head = readResponseHead(answer.rawHeaders, answer.statusCode ?? 0);
    this.#isOpenEnded = head.isOpenEnded;
    if (head.keepAlive !== undefined) this.#heedKeepAlive(head.keepAlive);
    this.#owner.onAnswer(answer, head);
  }

  onData(chunk: Buffer): void {
    if (this.#isOver || this.#owner.onData(chunk)) return;
    this.#isPaused = true;
    this.#answer?.pause();
  }

  onEnd(): void {
    if (this.#isOver || this.#answer === undefined) return;
    if (this.#isOpenEnded && this.#connection?.wasReset === true) {
      return this.#fail(new Error('the server has reset the connection'));
    }
    const isUnsent = this.#request?.writableEnded !== true;
    this.#end();
    this.#owner.onAnswered(this.#answer.rawTrailers);
    // Node keeps a connection only when the request is through, too.
    if (isUnsent) this.#connection?.close('unfinished');
  }

  onUpgrade(answer: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#isOver) return void socket.destroy();
    this.#end();
    this.#connection?.letGo();
    if (head.length > 0) socket.unshift(head);
    this.#owner.onUpgraded(answer, socket);
  }

  onError(error: Error): void {
    // What came behind the answer costs the connection, and not the answer.
    if (this.#answer?.complete !== true) this.#fail(error);
  }

  #send(connection: ServerConnection, isReused: boolean): void {
    const { method, path, headers, body, upgrade, isAlone, maxHeaderBytes } = this.#sending;
    this.#connection = connection;
    this.#isReused = isReused;
    connection.carried = this;
    connection.keepAlive = !isAlone;
    const options = { method, path, headers, maxHeaderSize: maxHeaderBytes, agent: connection as never };
    let request: ClientRequest;
    try {
      request = requestHttp(options);
    } catch (error) {
      // Not its connection's fault.
      this.#isReused = false;
      return this.#fail(error as Error);
    }
    this.#request = request;
    (request as Carrying).call = this;
    // However many there are: their size is limit enough.
    request.maxHeadersCount = 0;
    request.on('response', onResponse).on('error', onError);
    if (upgrade !== undefined) request.on('upgrade', onUpgrade);
    this.#owner.onConnected();
    if (!isStream(body)) return void request.end(body);
    // The server is not to wait for the first piece of the body.
    request.flushHeaders();
    body.pumpTo(request);
  }

  /** Behind what its server says, an idle connection is closed before the server does. */
  #heedKeepAlive(said: string): void {
    if (this.#connection === undefined || this.#request === undefined) return;
    this.#connection.keptMs = keptMsOf(said);
    if (this.#connection.keptMs === 0) this.#request.shouldKeepAlive = false;
  }

  #fail(error: Error, isSilent = false): void {
    if (this.#isOver) return;
    this.#end();
    const isSent = this.#connection !== undefined;
    const isLate = isSilent || (!isSent && error instanceof TargetError);
    // What came was an answer, if a bad one: no end that crossed the request.
    const { code = '' } = error as NodeJS.ErrnoException;
    const isAnswered = this.#answer !== undefined || code.startsWith('HPE_');
    const isStale = this.#isReused && !isAnswered && !isLate;
    if (isStale) this.#connections.doubt();
    // Its owner may want the place for the next try, and the next try the pool's room.
    if (this.#connection !== undefined) this.#connection.carried = undefined;
    this.#connection?.close('error');
    this.#owner.onFailed({ error, isSent, isStale, isLate });
    this.#owner.onGone(this);
  }

  #end(): void {
    this.#isOver = true;
    const { body } = this.#sending;
    if (isStream(body)) body.stop();
  }
}

// Shared by all calls, so that a request allocates no listeners of its own.

function onResponse(this: Carrying, answer: IncomingMessage): void {
  this.call?.onResponse(answer);
}

function onUpgrade(this: Carrying, answer: IncomingMessage, socket: Duplex, head: Buffer): void {
  this.call?.onUpgrade(answer, socket, head);
}

function onData(this: Carrying, chunk: Buffer): void {
  this.call?.onData(chunk);
}

function onEnd(this: Carrying): void {
  this.call?.onEnd();
}

function onError(this: Carrying, error: Error): void {
  this.call?.onError(error);
}
