import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../shared/clock.ts';
import { breakOff } from '../shared/relay/relay.ts';
import { answer, type OwnStatus } from './answers.ts';
import { isBodiless, type ResponseHead } from './response-head.ts';

/** The reply that a response belongs to. */
interface Carrying {
  reply?: Reply;
}

/** Who hears of a reply. */
export interface ReplyOwner {
  /** The client takes more. */
  onDrain(): void;
  /** All of it is on its way to the client. */
  onReplied(): void;
}

/** The way back to a request's client: for a server's answer, or one of ours. */
export class Reply {
  readonly #owner: ReplyOwner;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #timeoutMs: number;
  /** Whether more than the head has come. */
  #moved = false;
  #heedsDrain = false;
  #heedsTime = false;

  /** @param timeoutMs how long the client may be silent while it is its turn, ms */
  constructor(request: IncomingMessage, response: ServerResponse, timeoutMs: number, owner: ReplyOwner) {
    this.#owner = owner;
    this.#request = request;
    this.#response = response;
    this.#timeoutMs = timeoutMs;
    (response as Carrying).reply = this;
  }

  /** Whether it has begun. */
  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  /** Whether the client has to read before it can go on. */
  get isUnread(): boolean {
    const { writableNeedDrain, writableEnded, writableFinished } = this.#response;
    return writableNeedDrain || (writableEnded && !writableFinished);
  }

  /** Tells a client that asks for leave to send its body to do so. */
  wantBody(): void {
    this.#response.writeContinue();
  }

  /**
   * Begins with a server's head.
   *
   * @param isLast whether the connection is to close behind it
   */
  begin(status: number, text: string, { headers, trailer, hasLength }: ResponseHead, isLast: boolean): void {
    const { method, httpVersionMinor } = this.#request;
    const isChunked = !hasLength && !isBodiless(status) && method !== 'HEAD' && httpVersionMinor > 0;
    if (trailer !== undefined && isChunked) headers.push('Trailer', trailer);
    if (isLast) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(status, text, headers);
    // With the body's first piece, if that is here already: one write less.
    if (unflushed.push(this) === 1) queueMicrotask(flushHeads);
  }

  /** Passes on a piece of the body. Returns whether the client takes more. */
  write(chunk: Buffer): boolean {
    this.#moved = true;
    if (this.#response.write(chunk)) return true;
    if (!this.#heedsDrain) {
      this.#heedsDrain = true;
      this.#response.on('drain', onResponseDrain);
      this.heedSilence();
    }
    return false;
  }

  /** Ends it. @param trailers names and values, one after the other */
  finish(trailers: readonly string[]): void {
    this.#moved = true;
    const response = this.#response;
    if (trailers.length > 0 && response.chunkedEncoding) response.addTrailers(pairs(trailers));
    response.on('finish', onResponseFinish);
    response.end();
  }

  /** Says it in place of a server. Nothing must have begun. @param isLast whether the connection is to close behind it */
  refuse(status: OwnStatus, says: string, isLast: boolean, clock: Clock): void {
    if (isLast) this.#response.shouldKeepAlive = false;
    answer(this.#response, status, says, clock);
  }

  /** The connection is not HTTP's any more. */
  letGo(): void {
    const { socket } = this.#request;
    socket.setTimeout(0);
    this.#response.detachSocket(socket);
  }

  /** Closes the client's connection, in the middle of what it gets. */
  breakOff(): void {
    breakOff(this.#request.socket);
  }

  /** From now on the client must not be silent for long while it is its turn. */
  heedSilence(): void {
    if (this.#heedsTime) return;
    this.#heedsTime = true;
    this.awaitMore();
  }

  /** It is the server's turn, or the queue's: a socket tells its silence once, and from now on again. */
  awaitMore(): void {
    this.#request.socket.setTimeout(this.#timeoutMs);
  }

  onDrain(): void {
    this.#owner.onDrain();
  }

  onFinish(): void {
    this.#owner.onReplied();
  }

  /** The head goes out without the body's first piece, which may be long in coming. */
  flush(): void {
    if (!this.#moved) this.#response.flushHeaders();
  }
}

function onResponseDrain(this: Carrying): void {
  this.reply?.onDrain();
}

function onResponseFinish(this: Carrying): void {
  this.reply?.onFinish();
}

/** Those whose head has come in this turn. */
const unflushed: Reply[] = [];

function flushHeads(): void {
  for (const reply of unflushed.splice(0)) reply.flush();
}

function pairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as [string, string]] : []));
}
