import type { Duplex } from 'node:stream';
import { DialError, ProtocolError, RejectedError } from '../errors.ts';
import { FrameDecoder, type FrameSink } from '../wire/decode.ts';
import type { FrameType } from '../wire/frame.ts';
import { Payload } from '../wire/payload.ts';
import { type Answer, type Greeted, type Greeting, rejectFrame } from './greeting.ts';

/** How a greeting ends: once, in one of two ways. Called from socket handlers. */
export interface GreeterOwner {
  /**
   * Both sides have proved themselves. The owner takes the socket and makes `decoder.sink` its own before it returns:
   * frames may follow in the same chunk.
   */
  onGreeted(greeted: Greeted, decoder: FrameDecoder): void;
  /** The greeting has failed and the socket is closing. */
  onGreetingFailed(error: Error): void;
}

/** Carries a {@link Greeting} over a socket; owns the socket until it ends. The deadline is the caller's. */
export class Greeter implements FrameSink {
  readonly #socket: Duplex;
  readonly #greeting: Greeting;
  readonly #owner: GreeterOwner;
  readonly #decoder = new FrameDecoder(this);
  #type = 0;
  readonly #payload = new Payload();
  #over = false;

  constructor(socket: Duplex, greeting: Greeting, owner: GreeterOwner) {
    this.#socket = socket;
    this.#greeting = greeting;
    this.#owner = owner;
  }

  start(): void {
    const socket = this.#socket;
    const first = this.#greeting.start();
    if (first !== undefined) socket.write(first);
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.abort).on('close', this.#onEnd);
  }

  /** Ends the greeting from outside, for instance at the deadline. Does nothing once it has ended. */
  readonly abort = (error: Error): void => {
    if (this.#over) return;
    this.#leave();
    this.#decoder.stop();
    // Errors of a socket that nobody uses any more have been told already.
    this.#socket.on('error', () => {});
    if (error instanceof RejectedError && this.#greeting.rejects) {
      this.#socket.end(rejectFrame(error), () => this.#socket.destroy());
    } else {
      this.#socket.destroy();
    }
    this.#owner.onGreetingFailed(error);
  };

  /** @internal */
  onHeader(type: number, visit: number, length: number): void {
    if (!this.#greeting.expects.includes(type as FrameType) || visit !== 0 || length === 0) {
      throw new ProtocolError(`frame 0x${type.toString(16)} came in the middle of the greeting`);
    }
    this.#type = type;
    this.#payload.begin(length);
  }

  /** @internal */
  onPayload(piece: Buffer, last: boolean): void {
    const payload = this.#payload.add(piece, last);
    if (payload === undefined) return;
    this.#take(this.#greeting.receive(this.#type as FrameType, payload));
  }

  #take({ reply, greeted, later }: Answer): void {
    later?.((judge) => {
      if (!this.#over) this.#try(() => this.#take(judge()));
    });
    if (reply !== undefined) this.#socket.write(reply);
    if (greeted === undefined) return;
    this.#leave();
    this.#owner.onGreeted(greeted, this.#decoder);
  }

  readonly #onData = (chunk: Buffer): void => this.#try(() => this.#decoder.push(chunk));

  #try(step: () => void): void {
    try {
      step();
    } catch (error) {
      // In the frames behind the greeting: it is for whoever has taken the socket.
      if (this.#over) this.#socket.destroy(error as Error);
      else this.abort(error as Error);
    }
  }

  readonly #onEnd = (): void => this.abort(new DialError('greeting', 'the other side hung up during the greeting'));

  #leave(): void {
    this.#over = true;
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.abort).off('close', this.#onEnd);
  }
}
