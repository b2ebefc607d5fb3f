/** One dial: resolve → TCP → TLS → tag → greeting, under one deadline. It ends exactly once. */
import { connect as connectTcp, Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../shared/clock.ts';
import {
  DialError,
  type DialStage,
  HandshakeTimeoutError,
  PooldError,
  reasonOf,
  RejectedError,
} from '../shared/errors.ts';
import type { Address } from '../shared/net/address.ts';
import { SOCKET_OPTIONS, tuneSocket } from '../shared/net/socket-options.ts';
import { Greeter, type GreeterOwner } from '../shared/session/greeter.ts';
import { ClientGreeting, type ClientGreetingOptions, type Greeted } from '../shared/session/greeting.ts';
import { channelBinding, NO_BINDING } from '../shared/tls/exporter.ts';
import { checkFingerprint } from '../shared/tls/fingerprint.ts';
import { certificateRefusal, tlsFault } from '../shared/tls/tls-fault.ts';
import type { FrameDecoder } from '../shared/wire/decode.ts';
import { decodeTag, type IdFormat, TAG_BYTES } from '../shared/wire/tag.ts';

/** Makes a connection to the server by other means, for instance through a proxy. Rejects when it cannot. */
export type Connect = (options: { readonly signal: AbortSignal }) => Promise<Duplex>;

/** What is the same for all dials of a pool. */
export interface DialRules {
  readonly to: Address | Connect;
  /** The proxy that `to` goes through, `host:port`. */
  readonly proxy: string | undefined;
  /** TLS settings with a shared secure context; undefined in mode 0. */
  readonly tls: ConnectionOptions | undefined;
  /** The pinned certificate. */
  readonly fingerprint: string | undefined;
  readonly idFormat: IdFormat;
  /** How to greet; undefined for raw connections. */
  readonly greeting: Omit<ClientGreetingOptions, 'channel'> | undefined;
  /** TCP keep-alive, ms; 0 off. */
  readonly keepAliveMs: number;
  readonly handshakeTimeoutMs: number;
  readonly clock: Clock;
}

/** How a dial ends. Called from socket handlers. */
export interface DialOwner {
  /** The tag is read, and the pair is raw. */
  onRaw(id: string, socket: Duplex): void;
  /** Both sides have proved themselves; frames may follow at once through `decoder`. */
  onGreeted(id: string, socket: Duplex, greeted: Greeted, decoder: FrameDecoder): void;
  onFailed(error: PooldError, stage: DialStage): void;
}

/** Not an arrow function of a method, which would keep the dial in memory for as long as its socket. */
function ignore(): void {}

export class Dial implements GreeterOwner {
  readonly #rules: DialRules;
  readonly #owner: DialOwner;
  /** Of a connection made by other means. */
  #aborted: AbortController | undefined;
  readonly #timer: Timer;
  #stage: DialStage = 'connect';
  #socket: Duplex | undefined;
  #id = '';
  #greeter: Greeter | undefined;
  #over = false;

  /** Starts at once. */
  constructor(rules: DialRules, owner: DialOwner) {
    this.#rules = rules;
    this.#owner = owner;
    const { clock, handshakeTimeoutMs, to } = rules;
    this.#timer = clock.setTimeout(() => this.fail(this.#late()), handshakeTimeoutMs);
    if (typeof to === 'function') void this.#connectBy(to);
    else this.#connectTo(to);
  }

  /** Ends the dial from outside. Does nothing once it has ended. */
  fail(error: PooldError): void {
    if (this.#over) return;
    if (this.#greeter !== undefined) return this.#greeter.abort(error);
    this.#end();
    this.#aborted?.abort(error);
    // Errors of a socket that nobody uses any more have been told already.
    this.#socket?.on('error', ignore).destroy();
    this.#owner.onFailed(error, this.#stage);
  }

  /** @internal */
  onGreeted(greeted: Greeted, decoder: FrameDecoder): void {
    this.#end();
    this.#owner.onGreeted(this.#id, this.#socket as Duplex, greeted, decoder);
  }

  /** @internal */
  onGreetingFailed(error: Error): void {
    this.#end();
    this.#owner.onFailed(this.#typed(error), this.#stage);
  }

  #connectTo(to: Address): void {
    const socket = connectTcp({ ...to, ...SOCKET_OPTIONS });
    this.#adopt(socket);
    socket.once('connect', () => {
      tuneSocket(socket, this.#rules.keepAliveMs);
      this.#secure(socket);
    });
  }

  async #connectBy(connect: Connect): Promise<void> {
    this.#aborted = new AbortController();
    const { signal } = this.#aborted;
    try {
      // A function that throws must not fail the dial before its constructor has returned.
      const socket = await new Promise<Duplex>((resolve) => resolve(connect({ signal })));
      // Of those that we do not make ourselves; keep-alive is up to whoever does.
      if (socket instanceof Socket) socket.setNoDelay(true);
      if (this.#over) socket.on('error', ignore).destroy();
      else this.#secure(this.#adopt(socket));
    } catch (error) {
      this.fail(this.#typed(error));
    }
  }

  #secure(socket: Duplex): void {
    const { tls, fingerprint } = this.#rules;
    if (tls === undefined) return this.#readTag(socket);
    this.#stage = 'tls';
    this.#leave(socket);
    // Its errors show on the TLS socket that takes it over.
    socket.on('error', ignore);
    const secure = connectTls({ ...tls, socket });
    this.#adopt(secure);
    secure.once('secureConnect', () => {
      try {
        if (fingerprint !== undefined) checkFingerprint(secure, fingerprint);
        this.#readTag(secure);
      } catch (error) {
        this.fail(this.#typed(error));
      }
    });
  }

  #readTag(socket: Duplex): void {
    this.#stage = 'tag';
    const read = (): void => {
      // Exactly the tag: what is behind it belongs to whoever takes the connection.
      const tag = socket.read(TAG_BYTES(this.#rules.idFormat));
      if (tag === null || this.#over) return;
      socket.off('readable', read);
      try {
        this.#id = decodeTag(tag, this.#rules.idFormat);
        this.#greet(socket, tag);
      } catch (error) {
        this.fail(this.#typed(error));
      }
    };
    socket.on('readable', read);
    read();
  }

  #greet(socket: Duplex, tag: Buffer): void {
    const { greeting, tls } = this.#rules;
    if (greeting === undefined) {
      this.#end();
      return this.#owner.onRaw(this.#id, socket);
    }
    this.#stage = 'greeting';
    // In mode 0 also where what it was given is a TLS connection, to a proxy for instance: the server knows none.
    const binding = tls === undefined ? NO_BINDING : channelBinding(socket);
    const channel = { tag: Buffer.from(tag), secure: tls !== undefined, binding };
    this.#leave(socket);
    this.#greeter = new Greeter(socket, new ClientGreeting({ ...greeting, channel }), this);
    this.#greeter.start();
  }

  #adopt<D extends Duplex | TLSSocket>(socket: D): D {
    this.#socket = socket;
    socket.on('error', this.#onError).on('end', this.#onHangUp).on('close', this.#onHangUp);
    return socket;
  }

  #leave(socket: Duplex): void {
    socket.off('error', this.#onError).off('end', this.#onHangUp).off('close', this.#onHangUp);
  }

  readonly #onError = (cause: NodeJS.ErrnoException): void => {
    if (cause.syscall === 'getaddrinfo') this.#stage = 'resolve';
    this.fail(this.#typed(cause));
  };

  readonly #onHangUp = (): void => {
    this.fail(
      new DialError(this.#stage, `the server hung up at the stage "${this.#stage}"; it may be busy or refuse us`),
    );
  };

  #late(): HandshakeTimeoutError {
    const { handshakeTimeoutMs, proxy } = this.#rules;
    return new HandshakeTimeoutError(this.#stage, handshakeTimeoutMs, this.#stage === 'connect' ? proxy : undefined);
  }

  #typed(error: unknown): PooldError {
    if (error instanceof PooldError) return error;
    const handshaken = this.#stage === 'tag' || this.#stage === 'greeting';
    const refusal = handshaken ? certificateRefusal(error) : undefined;
    if (refusal !== undefined) return new RejectedError('auth', refusal);
    const message = `cannot reach the server at the stage "${this.#stage}": ${tlsFault(error) ?? reasonOf(error)}`;
    return new DialError(this.#stage, message, { cause: error });
  }

  #end(): void {
    this.#over = true;
    this.#rules.clock.clearTimeout(this.#timer);
    if (this.#socket !== undefined) this.#leave(this.#socket);
  }
}
