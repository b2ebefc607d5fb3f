/** One connection from its accept to the pool: TLS → tag → greeting, under one deadline. It ends exactly once. */
import type { Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { Clock, Timer } from '../shared/clock.ts';
import { DialError, type DialStage, HandshakeTimeoutError, reasonOf, RejectedError } from '../shared/errors.ts';
import { Greeter, type GreeterOwner } from '../shared/session/greeter.ts';
import {
  type Channel,
  type Greeted,
  rejectFrame,
  ServerGreeting,
  type ServerGreetingOptions,
} from '../shared/session/greeting.ts';
import { channelBinding } from '../shared/tls/exporter.ts';
import { tlsFault } from '../shared/tls/tls-fault.ts';
import { clientCertificateError } from '../shared/tls/verify-client.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import type { HelloInfo } from '../shared/wire/messages.ts';
import { encodeTag, type IdFormat } from '../shared/wire/tag.ts';

/** What is the same for all arrivals of a listener. */
export interface ArrivalRules {
  /** TLS settings with a shared secure context; undefined in mode 0. */
  readonly tls: TLSSocketOptions | undefined;
  readonly idFormat: IdFormat;
  /** How to greet; undefined for raw connections. */
  readonly greeting: Omit<ServerGreetingOptions, 'channel' | 'turn' | 'onWrongProof'> | undefined;
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
}

/** What becomes of an arrival: it ends in one of three ways. */
export interface ArrivalOwner {
  /** The client says who it is. Whoever calls `judge` has its proof judged, and the arrival ends by that. */
  onHello(arrival: Arrival, hello: HelloInfo, judge: () => void): void;
  /** What the client has proved is no token that is good here; {@link onFailed} follows. */
  onWrongProof(arrival: Arrival): void;
  /** The tag is sent, and the pair is raw. */
  onRaw(arrival: Arrival): void;
  /** Both sides have proved themselves; frames may follow at once through `decoder`. */
  onGreeted(arrival: Arrival, greeted: Greeted, decoder: FrameDecoder): void;
  /** The connection is closing. */
  onFailed(arrival: Arrival, error: Error): void;
}

export class Arrival implements GreeterOwner {
  readonly id: string;
  /** The other end, `ip:port`. */
  readonly remote: string;
  /** When it was accepted; the clock's time, ms. */
  readonly startedAt: number;
  readonly #rules: ArrivalRules;
  readonly #owner: ArrivalOwner;
  readonly #timer: Timer;
  #socket: Socket;
  #stage: DialStage = 'tls';
  #greeter: Greeter | undefined;
  #over = false;

  constructor(id: string, remote: string, socket: Socket, rules: ArrivalRules, owner: ArrivalOwner) {
    this.id = id;
    this.remote = remote;
    this.#rules = rules;
    this.#owner = owner;
    this.#socket = socket;
    const { clock, handshakeTimeoutMs } = rules;
    const late = (): void => this.fail(new HandshakeTimeoutError(this.#stage, handshakeTimeoutMs));
    this.startedAt = clock.now();
    this.#timer = clock.setTimeout(late, handshakeTimeoutMs);
  }

  /** The socket to go on with: TLS where TLS is on. */
  get socket(): Socket {
    return this.#socket;
  }

  start(): void {
    const { tls } = this.#rules;
    if (tls !== undefined) {
      const socket = new TLSSocket(this.#socket, { ...tls, isServer: true });
      this.#socket = socket;
      socket.on('secure', () => this.#secured(socket, tls.requestCert === true));
    }
    this.#socket.on('error', this.#onError).on('close', this.#onClose);
    if (tls === undefined) this.#sendTag(false);
  }

  /** Ends the arrival from outside. Does nothing once it has ended. */
  fail(error: Error): void {
    if (this.#over) return;
    if (this.#greeter !== undefined) return this.#greeter.abort(error);
    this.#end();
    // Errors of a socket that nobody uses any more have been told already.
    this.#socket.on('error', () => {});
    this.#socket.destroy();
    this.#owner.onFailed(this, error);
  }

  /** @internal */
  onGreeted(greeted: Greeted, decoder: FrameDecoder): void {
    this.#end();
    this.#owner.onGreeted(this, greeted, decoder);
  }

  /** @internal */
  onGreetingFailed(error: Error): void {
    this.#end();
    this.#owner.onFailed(this, error);
  }

  #secured(socket: TLSSocket, verify: boolean): void {
    const cause = verify ? clientCertificateError(socket) : undefined;
    if (cause === undefined) return this.#sendTag(true);
    const problem = `the client's certificate is not accepted: ${cause.message}`;
    this.#end();
    socket.on('error', () => {});
    // Node sends no alert about it, and the client's handshake is over: only a refused greeting tells it why.
    const { greeting, idFormat } = this.#rules;
    if (greeting === undefined) {
      socket.destroy();
    } else {
      const reject = rejectFrame(new RejectedError('auth', problem));
      socket.end(Buffer.concat([encodeTag(this.id, idFormat), reject]), () => socket.destroy());
    }
    this.#owner.onFailed(this, new DialError('tls', problem, { cause }));
  }

  #sendTag(secure: boolean): void {
    let binding: Buffer;
    try {
      binding = channelBinding(this.#socket);
    } catch (cause) {
      // The socket has gone between the handshake and now.
      return this.fail(new DialError('tls', `the connection broke after the handshake: ${reasonOf(cause)}`, { cause }));
    }
    const { greeting, idFormat } = this.#rules;
    this.#stage = 'tag';
    const tag = encodeTag(this.id, idFormat);
    const socket = this.#socket;
    if (greeting === undefined) {
      socket.write(tag);
      this.#end();
      return this.#owner.onRaw(this);
    }
    this.#stage = 'greeting';
    socket.cork();
    socket.write(tag);
    const channel: Channel = { tag, secure, binding };
    this.#leaveSocket();
    const turn = (hello: HelloInfo, judge: () => void): void => this.#owner.onHello(this, hello, judge);
    const onWrongProof = (): void => this.#owner.onWrongProof(this);
    const serverGreeting = new ServerGreeting({ ...greeting, channel, turn, onWrongProof });
    this.#greeter = new Greeter(socket, serverGreeting, this);
    this.#greeter.start();
    socket.uncork();
  }

  readonly #onError = (cause: Error): void => {
    const problem = tlsFault(cause) ?? cause.message;
    this.fail(new DialError(this.#stage, `the connection broke at the stage "${this.#stage}": ${problem}`, { cause }));
  };

  readonly #onClose = (): void => {
    this.fail(new DialError(this.#stage, `the other side hung up at the stage "${this.#stage}"`));
  };

  #leaveSocket(): void {
    this.#socket.off('error', this.#onError).off('close', this.#onClose);
  }

  #end(): void {
    this.#over = true;
    this.#rules.clock.clearTimeout(this.#timer);
    this.#leaveSocket();
  }
}
