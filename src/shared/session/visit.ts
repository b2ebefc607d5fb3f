/** One visit on a session: what a relay, or a library user, holds while a visitor talks to a target. */
import type { CloseReason } from '../close-reason.ts';
import { ReadMemory } from '../net/read-memory.ts';
import { ResetCode } from '../wire/frame.ts';
import type { OpenInfo } from '../wire/messages.ts';
import { ProtocolError, VisitResetError } from '../errors.ts';
import type { CarriedVisit } from './carried-visit.ts';

/** What hears a visit. Called from the session's socket handlers, in the order of the wire. */
export interface VisitHandler {
  /** The target is connected. Openers only. */
  onOpened(): void;
  /** Bytes from the other side; `piece` is a view of a larger buffer. */
  onData(piece: Buffer): void;
  /** The other side has sent all it had; this side may go on. */
  onEnd(): void;
  /** The visit is over before its time. */
  onReset(error: VisitResetError): void;
  /** After a `write` that returned false: write again. */
  onDrain(): void;
  /**
   * Bytes of the pieces that are still to be passed on. At 0 the pieces are detached and their memory is freed; leave it out
   * to keep them.
   */
  readonly unwritten?: number | undefined;
}

/** What a visit asks of its session. */
export interface VisitCarrier {
  readonly id: string;
  readonly greeted: { readonly client: string };
  /** Whether the target is connected, as far as this side knows. */
  readonly established: boolean;
  /** Bytes accepted for sending that have not been passed on; whether those that have been were copied. */
  readonly unsent: number;
  readonly copies: boolean;
  /** The connection is to end with this visit. */
  readonly draining: boolean;
  /**
   * Whole frames of the visit, in place of {@link sendData}; `answers` bytes of them the other side has asked for, and
   * `flushed` is called when they have gone.
   */
  sendFrames(frames: Buffer, answers: number, flushed: () => void): void;
  sendData(chunk: Buffer): boolean;
  sendOpened(): void;
  sendFin(): void;
  sendReset(code: number, message: string): void;
  pause(): void;
  resume(): void;
  close(reason: CloseReason): void;
}

/** The most that an opener sends before it knows that the target is connected, bytes (docs/protocol.md). */
export const MAX_EARLY_BYTES = 64 * 1024;

export class Visit implements CarriedVisit {
  /** Its number on the connection, from 1. */
  readonly number: number;
  readonly info: OpenInfo;
  /** The connection's ID, the same at both ends. */
  readonly connectionId: string;
  /** The client process at the other end, or this one. */
  readonly client: string;
  /** Payload bytes so far, from and to the other side. */
  bytesIn = 0;
  bytesOut = 0;
  /** Called once, when the visit is over and its connection is idle again or closed. */
  onDone: (() => void) | undefined;
  readonly #early: boolean;
  #carrier: VisitCarrier | undefined;
  #handler: VisitHandler | undefined;
  /** What came before anybody listened. */
  #inbox: ((handler: VisitHandler) => void)[] = [];
  /** What was sent before OPENED, and may have to be sent elsewhere; then what may not be sent before OPENED. */
  #kept: Buffer[] = [];
  #held: Buffer[] = [];
  #read: ReadMemory | undefined = new ReadMemory();
  /** This side has ended; the FIN may wait for what is held. */
  #ended = false;

  /** Visits are made by sessions. @internal */
  constructor(carrier: VisitCarrier, opener: boolean, number: number, info: OpenInfo) {
    this.#carrier = carrier;
    this.#early = opener;
    this.number = number;
    this.info = info;
    this.connectionId = carrier.id;
    this.client = carrier.greeted.client;
  }

  /** Over: nothing is sent any more, and nothing comes. */
  get over(): boolean {
    return this.#carrier === undefined;
  }

  /** Whoever is slower than the other side stops it. @internal */
  get flowing(): boolean {
    return false;
  }

  /** Bytes on their way out; undefined while what was written may be needed again. */
  get unsent(): number | undefined {
    const carrier = this.#carrier;
    if (carrier === undefined || !carrier.copies || (this.#early && !carrier.established)) return undefined;
    return carrier.unsent;
  }

  /** Whoever hears the visit. What came before it was set is told at once. */
  set handler(handler: VisitHandler) {
    // What the one before has left to write this one does not know.
    if (this.#handler !== undefined) this.#read = undefined;
    this.#handler = handler;
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const tell of inbox) tell(handler);
    if (inbox.length > 0) this.resume();
  }

  /** The target is connected: the opener may send without limit. Acceptors only, once. */
  accept(): void {
    this.#carrier?.sendOpened();
  }

  /** Sends bytes. False: enough for now, wait for `onDrain`. What is written after the end is dropped. */
  write(chunk: Buffer): boolean {
    const carrier = this.#carrier;
    if (carrier === undefined) return true;
    if (!this.#early || carrier.established) {
      this.bytesOut += chunk.length;
      return carrier.sendData(chunk);
    }
    const room = this.#held.length > 0 ? 0 : MAX_EARLY_BYTES - this.bytesOut;
    const now = chunk.subarray(0, room);
    const later = chunk.subarray(room);
    this.bytesOut += now.length;
    this.#kept.push(now);
    const flowing = carrier.sendData(now);
    if (later.length === 0) return flowing;
    this.#held.push(later);
    return false;
  }

  /** This side has sent all it has; the other direction goes on. */
  end(): void {
    this.#ended = true;
    if (this.#held.length === 0) this.#carrier?.sendFin();
  }

  /**
   * What this side wanted to send in a visit that was turned away before its target was connected: not a byte of it
   * has reached a target, so it may go to another. Call it from `onReset`, when `isBeforeTarget` holds for the code.
   */
  takeBack(): { readonly chunks: readonly Buffer[]; readonly ended: boolean } {
    return { chunks: [...this.#kept, ...this.#held], ended: this.#ended };
  }

  /** Abandons the visit in both directions. */
  reset(code: number, message = ''): void {
    this.#forget();
    this.#carrier?.sendReset(code, message);
  }

  /** Gives up the whole connection under the visit: its peer does not answer any more. */
  abandon(): void {
    this.#carrier?.close('stalled');
  }

  /** Stops the other side's bytes, soon: a little more may come. */
  pause(): void {
    this.#carrier?.pause();
  }

  resume(): void {
    this.#carrier?.resume();
  }

  /** @internal */
  expect(): void {
    // The borders of frames mean nothing here.
  }

  /** @internal */
  flowed(): void {
    throw new ProtocolError('a flow came in a visit that has none');
  }

  /** @internal */
  opened(): void {
    const held = this.#held;
    this.#held = [];
    let flowing = true;
    this.#kept = [];
    for (const chunk of held) flowing = this.write(chunk);
    if (this.#ended && held.length > 0) this.#carrier?.sendFin();
    this.#tell((handler) => handler.onOpened());
    if (held.length > 0 && flowing) this.drained();
  }

  /** @internal */
  received(piece: Buffer): void {
    this.bytesIn += piece.length;
    this.#read?.spend(this.#handler?.unwritten);
    if (this.#handler !== undefined) return this.#handler.onData(piece);
    this.#tell((handler) => handler.onData(piece));
    this.pause();
  }

  /** Whatever came in this chunk was the visit's, and the chunk is nobody else's. @internal */
  lend(chunk: Buffer): void {
    this.#read?.lend(chunk, this.#handler?.unwritten);
  }

  /** @internal */
  ended(): void {
    this.#tell((handler) => handler.onEnd());
  }

  /** @internal */
  wasReset(code: number, message: string): void {
    this.#tell((handler) => handler.onReset(new VisitResetError(code, resetText(code, message))));
  }

  /** @internal */
  drained(): void {
    if (this.#held.length === 0) this.#handler?.onDrain();
  }

  /** The session has let go of the visit. @internal */
  detach(): void {
    this.#carrier = undefined;
    this.#forget();
    const { onDone } = this;
    this.onDone = undefined;
    onDone?.();
  }

  #forget(): void {
    this.#kept = [];
    this.#held = [];
  }

  #tell(tell: (handler: VisitHandler) => void): void {
    if (this.#handler === undefined) this.#inbox.push(tell);
    else tell(this.#handler);
  }
}

/** What to say of a reset: what the other side says, or what its code means. */
export function resetText(code: number, message: string): string {
  return message === '' ? (RESET_TEXTS.get(code) ?? `reset code ${code}`) : message;
}

const RESET_TEXTS: ReadonlyMap<number, string> = new Map([
  [ResetCode.targetRefused, 'the target refused the connection'],
  [ResetCode.targetTimeout, 'the target did not answer in time'],
  [ResetCode.targetNotFound, 'the target was not found'],
  [ResetCode.draining, 'the other side is shutting down'],
  [ResetCode.limit, 'the other side is at a limit'],
  [ResetCode.visitorLeft, 'the visitor left'],
  [ResetCode.stalled, 'no byte moved for too long'],
  [ResetCode.targetReset, 'the target broke the connection off'],
  [ResetCode.internal, 'the other side failed'],
]);
