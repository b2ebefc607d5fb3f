/**
 * A pooled connection that speaks frames, from the end of its greeting on. It owns its socket, carries one visit after
 * the other, answers PING, and ends exactly once, with a reason.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../clock.ts';
import type { CloseReason } from '../close-reason.ts';
import { ProtocolError } from '../errors.ts';
import { throwLater } from '../events.ts';
import { copiesBytes } from '../net/read-memory.ts';
import type { FrameDecoder, FrameSink } from '../wire/decode.ts';
import { encodeDemand, encodeFrame, encodePing, encodePong, encodeReset } from '../wire/encode.ts';
import { FrameType, HEADER_BYTES, isKnownType, ResetCode } from '../wire/frame.ts';
import { decodeDemand, decodeOpaque, decodeOpen, decodeReset, encodeOpen, type OpenInfo } from '../wire/messages.ts';
import { Payload } from '../wire/payload.ts';
import type { CarriedVisit } from './carried-visit.ts';
import { DatagramVisit } from './datagram-visit.ts';
import { FrameWriter } from './frame-writer.ts';
import type { Greeted } from './greeting.ts';
import { Reading } from './reading.ts';
import type { SessionOptions, SessionOwner } from './session-options.ts';
import { SessionState } from './session-state.ts';
import { MAX_EARLY_BYTES, Visit, type VisitCarrier } from './visit.ts';

/** How much of an abandoned visit is read past before the connection is given up, bytes and ms (docs/protocol.md). */
const DRAIN_LIMIT_BYTES = 1024 * 1024;
const DRAIN_LIMIT_MS = 5000;

/** An opener that sent more than this in a visit asks whether it has arrived before the next one (docs/protocol.md). */
const CONFIRM_ABOVE_BYTES = 64 * 1024;

/** How long a connection that was said goodbye to, or has bytes left to send, may take to close, ms. */
const GOODBYE_MS = 1000;

const EMPTY = Buffer.alloc(0);

/** The frames that are a header and nothing else. */
const BARE_FRAMES: ReadonlySet<number> = new Set([FrameType.opened, FrameType.fin, FrameType.drain]);

export class Session implements FrameSink, VisitCarrier {
  readonly id: string;
  readonly remote: string;
  readonly greeted: Greeted;
  /** What its socket reads and writes is copied (`copiesBytes`). */
  readonly copies: boolean;
  /** When bytes last came from the other side; the clock's time, ms. */
  lastHeardAt: number;
  readonly #socket: Duplex;
  readonly #reading: Reading;
  readonly #writer: FrameWriter;
  readonly #decoder: FrameDecoder;
  readonly #side: 'server' | 'client';
  readonly #owner: SessionOwner;
  readonly #clock: Clock;
  readonly #state: SessionState;
  #closed = false;
  #onClose: ((reason: CloseReason) => void) | undefined;
  #visit: CarriedVisit | undefined;
  /** The frame coming in: its type, its visit, whether it is read past, its payload. */
  #type = 0;
  #frameVisit = 0;
  #dropping = false;
  readonly #payload = new Payload();
  /** No frame but DATA has had a payload in the chunk being decoded so far. */
  #onlyData = false;
  /** Payload bytes read past, or come before OPENED, since the last idle moment. */
  #droppedBytes = 0;
  #earlyBytes = 0;
  /** PINGs are numbered; a visit that ends with much sent waits for the PONG of this number. */
  #pings = 0;
  #awaitedPong = 0;
  /** This side has said DRAIN and closes for this reason. */
  #retiring: CloseReason | undefined;
  #peerDrains = false;
  /** The other side has abandoned the visit, and may not want to read what is left of it. */
  #abandoned = false;
  /** The limit on whatever ending is under way. */
  #timer: Timer | undefined;

  constructor({ id, socket, decoder, greeted, side, remote, clock, owner }: SessionOptions) {
    this.id = id;
    this.remote = remote;
    this.greeted = greeted;
    this.lastHeardAt = clock.now();
    this.#socket = socket;
    this.#reading = new Reading(socket);
    this.copies = copiesBytes(socket);
    this.#writer = new FrameWriter(socket);
    this.#decoder = decoder;
    this.#side = side;
    this.#owner = owner;
    this.#clock = clock;
    this.#state = new SessionState(greeted.role);
    decoder.sink = this;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => this.#fail(error));
    socket.on('end', this.#left);
    socket.on('close', this.#left);
  }

  get closed(): boolean {
    return this.#closed;
  }
  /** The visit that is on, or whose last frames are on their way. */
  get visit(): CarriedVisit | undefined {
    return this.#visit;
  }
  /** Whether it has carried a visit, or begun to. */
  get used(): boolean {
    return this.#state.visit > 0;
  }
  /** Whether the target of the visit is connected. */
  get established(): boolean {
    return this.#state.established;
  }
  /** One of the sides has said goodbye: a visit that is on is the last. */
  get draining(): boolean {
    return this.#peerDrains || this.#retiring !== undefined;
  }
  /** Bytes accepted for sending that the socket has not passed on. */
  get unsent(): number {
    return this.#socket.writableLength;
  }
  /** Nothing is read at the moment, because the visit's receiver is slower than its sender. */
  get paused(): boolean {
    return this.#reading.paused;
  }

  /** Registers the one listener that hears the end. */
  onClose(listener: (reason: CloseReason) => void): void {
    this.#onClose = listener;
  }

  /** Why this session cannot be idle now; undefined when it can. */
  refusal(): 'unfinished' | 'draining' | undefined {
    if (this.#visit !== undefined) return 'unfinished';
    return this.draining || this.#state.exhausted ? 'draining' : undefined;
  }

  /**
   * Opens a visit. Openers only, while idle.
   *
   * @throws ProtocolError when this side does not open visits, one is on, or the session is closed
   */
  open(info: OpenInfo): Visit {
    const visit = new Visit(this, true, this.#begin(info), info);
    this.#visit = visit;
    return visit;
  }

  /** The same for a visit of datagrams, whose `protocol` is `udp`. */
  openDatagrams(info: OpenInfo): DatagramVisit {
    const visit = new DatagramVisit(this, true, this.#begin(info), info);
    this.#visit = visit;
    return visit;
  }

  /** Asks for a sign of life; the PONG shows in {@link lastHeardAt}. Returns the PING's number. */
  ping(): number {
    const opaque = Buffer.alloc(8);
    opaque.writeUInt32BE(++this.#pings, 4);
    if (!this.#closed) this.#sendControl(encodePing(opaque));
    return this.#pings;
  }

  /** Asks the client for more connections. Servers only. */
  demand(count: number): void {
    if (!this.#closed) this.#sendControl(encodeDemand(count));
  }

  /** Closes. What was accepted for sending in a finished visit still goes out. */
  close(reason: CloseReason): void {
    this.#end(reason, this.#state.phase === 'idle' && this.#socket.writableLength > 0);
  }

  /**
   * Says goodbye. A visit that is on goes on; no other begins. The side that opens visits closes an idle connection
   * just so; the other answers an OPEN that may be on its way, and closes when the opener has, or a second later.
   *
   * @param inUse somebody holds it: between two visits nothing is said until it is given back
   */
  retire(reason: CloseReason, inUse = false): void {
    const idle = this.#visit === undefined;
    if (this.#closed || (idle && inUse)) return;
    if (idle && this.#state.role === 'opener') return this.close(reason);
    if (this.#retiring === undefined) this.#sendControl(encodeFrame(FrameType.drain, 0));
    this.#retiring = reason;
    if (idle) this.#limit(GOODBYE_MS, reason);
  }

  /** @internal */
  sendData(chunk: Buffer): boolean {
    return !this.#state.may('data') || this.#writer.data(this.#state.visit, chunk);
  }

  /** @internal */
  sendFrames(frames: Buffer, answers: number, flushed: () => void): void {
    if (!this.#state.may('data')) return;
    this.#reading.wrote();
    this.#reading.answered(answers);
    this.#writer.write(frames, () => {
      this.#reading.left();
      flushed();
    });
  }

  /** @internal */
  sendOpened(): void {
    if (!this.#state.may('opened')) return;
    this.#state.send('opened');
    this.#writer.hold(encodeFrame(FrameType.opened, this.#state.visit));
  }

  /** @internal */
  sendFin(): void {
    if (!this.#state.may('fin')) return;
    this.#state.send('fin');
    this.#sendLast(encodeFrame(FrameType.fin, this.#state.visit));
  }

  /** @internal */
  sendReset(code: number, message: string): void {
    if (!this.#state.may('reset')) return;
    this.#state.send('reset');
    this.#reading.resume();
    if (this.#state.phase === 'draining') this.#limit(DRAIN_LIMIT_MS, 'stalled');
    this.#sendLast(encodeReset(this.#state.visit, code, message));
  }

  /** @internal */
  pause(): void {
    this.#reading.pause();
  }

  /** @internal */
  resume(): void {
    this.#reading.resume();
  }

  /** @internal */
  onHeader(type: number, visit: number, length: number): void {
    this.#type = type;
    this.#frameVisit = visit;
    this.#dropping = this.#judge(type, visit, length);
    if (this.#dropping) return;
    if (type === FrameType.data) this.#visit?.expect(length);
    else this.#payload.begin(length);
    if (length === 0) this.#receive(type, EMPTY);
  }

  /** @internal */
  onPayload(piece: Buffer, last: boolean): void {
    if (this.#dropping) return;
    if (this.#type === FrameType.data) {
      if (this.#state.wantsData) this.#visit?.received(piece, last);
      return;
    }
    this.#onlyData = false;
    const payload = this.#payload.add(piece, last);
    if (payload === undefined) return;
    // While it came in its visit may have ended, and the next one begun.
    if (this.#frameVisit !== 0 && this.#frameVisit < this.#state.visit) return;
    this.#receive(this.#type, payload);
  }

  /** Says OPEN with the next number. @throws ProtocolError */
  #begin(info: OpenInfo): number {
    if (this.#closed || this.#visit !== undefined) {
      throw new ProtocolError(`connection ${this.id} is not idle: open one visit at a time, on a lease of your own`);
    }
    const number = this.#state.open(info.protocol === 'udp');
    this.#writer.hold(encodeFrame(FrameType.open, number, encodeOpen(info)));
    return number;
  }

  #read(chunk: Buffer): void {
    this.lastHeardAt = this.#clock.now();
    const visit = this.#visit;
    this.#onlyData = this.copies;
    try {
      this.#decoder.push(chunk);
      if (this.#onlyData && visit === this.#visit) visit?.lend(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A visit that both sides have ended is not told: what it wanted to send may be on its way to another one. */
  #drained(): void {
    if (this.#state.phase !== 'idle') this.#visit?.drained();
  }

  /** Whether the frame is read past. @throws ProtocolError when it is not allowed here */
  #judge(type: number, visit: number, length: number): boolean {
    const ofVisit = type >= FrameType.open && type < FrameType.ping;
    if (!ofVisit) {
      const misplaced = visit !== 0 || type < FrameType.open;
      if (misplaced || (type === FrameType.demand && this.#side === 'server')) {
        throw new ProtocolError(`frame 0x${type.toString(16)} of visit ${visit} is not allowed after the greeting`);
      }
      return !isKnownType(type);
    }
    const dropping = this.#state.judge(type, visit) === 'drop';
    if (dropping && (this.#droppedBytes += HEADER_BYTES + length) > DRAIN_LIMIT_BYTES) {
      if (visit < this.#state.visit || this.#state.phase !== 'draining') {
        throw new ProtocolError(`the other side goes on with visit ${visit}, which is over`);
      }
      // No fault of the other side's: so much may be on its way behind a visitor who reads slowly, and leaves.
      this.#end('unread');
    }
    // Only the opener's early bytes count: what it sends before OPENED it must be able to send elsewhere.
    if (type === FrameType.data && !dropping && !this.#state.established) {
      this.#earlyBytes += length;
      if (this.#earlyBytes > MAX_EARLY_BYTES) throw new ProtocolError('more than 64 KiB came before OPENED');
    }
    return dropping;
  }

  /** Takes a whole frame, DATA excepted. */
  #receive(type: number, payload: Buffer): void {
    if (payload.length > 0 && BARE_FRAMES.has(type))
      throw new ProtocolError(`frame 0x${type.toString(16)} has a payload`);
    switch (type) {
      case FrameType.open:
        return this.#receiveOpen(decodeOpen(payload));
      case FrameType.opened:
        this.#state.receive(type);
        return this.#visit?.opened();
      case FrameType.flow:
      case FrameType.flowEnd:
        if (this.#state.wantsData) this.#visit?.flowed(type, payload);
        return;
      case FrameType.fin:
        return this.#receiveEnd(type, (visit) => visit.ended());
      case FrameType.reset: {
        const { code, message } = decodeReset(payload);
        return this.#receiveEnd(type, (visit) => visit.wasReset(code, message));
      }
      case FrameType.ping:
        return this.#answer(encodePong(decodeOpaque(payload)));
      case FrameType.pong:
        if (decodeOpaque(payload).readUInt32BE(4) === this.#awaitedPong) this.#awaitedPong = 0;
        return this.#settle();
      case FrameType.demand:
        return this.#owner.onDemand?.(decodeDemand(payload));
      case FrameType.drain:
        this.#peerDrains = true;
        if (this.#visit === undefined) this.close('drained');
    }
  }

  #receiveOpen(info: OpenInfo): void {
    // It may be here before the news that the last frame of the visit before has left.
    this.#settle(true);
    if (this.#closed) return;
    // Who opens a visit has read the end of the one before: what that one left is gone, but for the news, or never read.
    this.#reading.answered(this.unsent);
    const udp = info.protocol === 'udp';
    this.#state.receive(FrameType.open, udp);
    const number = this.#state.visit;
    const visit = udp ? new DatagramVisit(this, false, number, info) : new Visit(this, false, number, info);
    const owner = this.#owner;
    this.#visit = visit;
    if (this.draining) visit.reset(ResetCode.draining);
    else if (visit instanceof Visit && owner.onVisit !== undefined) owner.onVisit(visit, this);
    else if (visit instanceof DatagramVisit && owner.onDatagrams !== undefined) owner.onDatagrams(visit, this);
    else visit.reset(ResetCode.targetNotFound, 'nobody serves visits here');
  }

  /** FIN or RESET. After an own RESET it only says that the other side has heard. */
  #receiveEnd(type: number, tell: (visit: CarriedVisit) => void): void {
    const visit = this.#visit;
    const abandoned = this.#state.phase === 'draining';
    const mustAnswer = this.#state.receive(type);
    this.#abandoned = visit !== undefined && type === FrameType.reset;
    if (mustAnswer) this.#sendLast(encodeReset(this.#state.visit, ResetCode.internal), false);
    // A receiver that was too slow for the last bytes says nothing any more once it has been told of the end.
    this.#reading.resume();
    if (visit !== undefined && !abandoned) tell(visit);
    this.#settle();
  }

  /** Writes this side's last frame of a visit, and asks whether it has arrived if much was before it. */
  #sendLast(frame: Buffer, settle = true): void {
    this.#sendControl(frame);
    const sent = this.#visit?.bytesOut ?? 0;
    if (this.#state.role === 'opener' && sent > CONFIRM_ABOVE_BYTES && this.#awaitedPong === 0) {
      this.#awaitedPong = this.ping();
    }
    if (settle) this.#settle();
  }

  /** Writes a frame that may stand behind a visit's last one: the visit ends when both have gone. */
  #sendControl(frame: Buffer): void {
    this.#reading.wrote();
    this.#writer.write(frame, this.#flushed);
  }

  /** The same for a frame that the other side may ask for as often as it likes. */
  #answer(frame: Buffer): void {
    this.#sendControl(frame);
    this.#reading.answered(frame.length);
  }

  readonly #flushed = (): void => {
    this.#reading.left();
    this.#settle();
  };

  /**
   * Lets go of the visit once both sides have ended it and nothing of it is left on the way out; `arrived` says that
   * the other side has it all.
   */
  #settle(arrived = false): void {
    const visit = this.#visit;
    if (visit === undefined || this.#closed || this.#state.phase !== 'idle') return;
    if (!arrived && (this.#awaitedPong !== 0 || this.#socket.writableLength > 0)) return;
    this.#visit = undefined;
    this.#abandoned = false;
    this.#droppedBytes = 0;
    this.#earlyBytes = 0;
    this.#clearLimit();
    if (this.#retiring !== undefined) this.#limit(GOODBYE_MS, this.#retiring);
    // A reader that was paused for the last visit's sake would never hear the next one.
    this.#reading.resume();
    visit.detach();
    if (this.#peerDrains) this.close('drained');
  }

  /** Closes for `reason` unless what is under way ends before. */
  #limit(delayMs: number, reason: CloseReason): void {
    this.#clearLimit();
    this.#timer = this.#clock.setTimeout(() => this.#end(reason), delayMs);
  }

  #clearLimit(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #left = (): void => this.#end(this.#abandoned ? 'unread' : 'peer-closed');

  #fail(error: unknown): void {
    if (this.#closed) return;
    if (!(error instanceof ProtocolError) && this.#abandoned) return this.#end('unread');
    this.#end(error instanceof ProtocolError ? 'protocol-error' : 'error');
    this.#owner.onFault?.(error instanceof Error ? error : new ProtocolError(String(error)), this);
  }

  #end(reason: CloseReason, flush = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#decoder.stop();
    this.#clearLimit();
    if (flush) this.#flushAndDestroy();
    else this.#socket.destroy();
    const visit = this.#visit;
    this.#visit = undefined;
    // The visit comes last: it gives its connection back, to a pool that must know by then that there is none.
    this.#owner.onEnd?.(this, this.#retiring ?? reason);
    this.#onClose?.(this.#retiring ?? reason);
    if (visit !== undefined) this.#endVisit(visit);
  }

  #endVisit(visit: CarriedVisit): void {
    const { phase } = this.#state;
    try {
      if (phase !== 'idle' && phase !== 'draining') visit.wasReset(ResetCode.internal, LOST);
    } catch (error) {
      throwLater(error);
    }
    visit.detach();
  }

  #flushAndDestroy(): void {
    const destroy = (): unknown => this.#socket.destroy();
    this.#timer = this.#clock.setTimeout(destroy, GOODBYE_MS);
    this.#socket.once('close', () => this.#clearLimit());
    this.#socket.end(destroy);
  }
}

/** Said to a visit whose connection ends under it. */
const LOST = 'the connection to the other side was lost';
