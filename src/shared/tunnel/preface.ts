/**
 * What a visitor says before it is let in: the header of a proxy in front, and first bytes that name a host. They are read
 * under one deadline, with a place among a bounded number, and put back before anybody else has the socket.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import { formatAddress, remoteOf } from '../net/address.ts';
import { readHost } from '../net/host-name.ts';
import type { HostRead } from '../net/host-read.ts';
import { networkOf } from '../net/network.ts';
import { decodeProxyHeader, type ProxyEnds } from '../net/proxy-header.ts';
import { breakOff } from '../relay/relay.ts';
import type { HandshakeSlot, HandshakeSlots } from './handshake-slots.ts';

/** From accept until all is said, ms: what TLS and greeting of a client may take, too. */
export const PREFACE_TIMEOUT_MS = 5000;

/** How long whoever is told why it is turned away may take to read that, ms. */
const FAREWELL_MS = 1000;

/** What is read now; the `farewell` is ours. */
type Stage = 'header' | 'host' | 'farewell' | 'over';

/** Why one is not read to the end. */
export type PrefaceFault = 'proxy-header' | 'preface';

/** What is the same for all that are read at an address. */
export interface PrefaceRules {
  readonly clock: Clock;
  readonly slots: HandshakeSlots;
}

/** Decides what becomes of a visitor. Each call comes from a handler of its socket, or from its deadline. */
export interface PrefaceOwner {
  /** The header is read: goes on with {@link Preface.readHost}, {@link Preface.handOver} or {@link Preface.refuse}. */
  onHeader(preface: Preface): void;
  /** The host is read, or none is named: the same but for the first. */
  onHost(preface: Preface, read: HostRead): void;
  /** It is being turned away for what it said, or did not say. */
  onFault(preface: Preface, reason: PrefaceFault): void;
}

const NOTHING = Buffer.alloc(0);

const kPreface = Symbol('preface');
type Read = Socket & { [kPreface]: Preface };

export class Preface {
  readonly startedAt: number;
  /** Who it is and what it connected to, as a proxy's header says; undefined where the socket's own ends hold. */
  ends: ProxyEnds | undefined;
  readonly #socket: Socket;
  readonly #ip: string;
  /** Kept, because a destroyed socket may have forgotten it. */
  readonly #remote: string;
  readonly #rules: PrefaceRules;
  readonly #owner: PrefaceOwner;
  #stage: Stage;
  #bytes: Buffer = NOTHING;
  #slot: HandshakeSlot;
  #timer: Timer | undefined;

  /**
   * Begins to read.
   *
   * @param ip the socket's other end
   * @param proxied whether a header is due
   */
  constructor(socket: Socket, ip: string, proxied: boolean, rules: PrefaceRules, owner: PrefaceOwner) {
    this.#socket = socket;
    this.#ip = ip;
    this.#remote = remoteOf(socket);
    this.#rules = rules;
    this.#owner = owner;
    this.#stage = proxied ? 'header' : 'host';
    this.startedAt = rules.clock.now();
    // One of a proxy's connections has no share with the others: who is behind them is not known yet.
    this.#slot = this.#take(proxied ? this.#remote : networkOf(ip));
    this.#wait(PREFACE_TIMEOUT_MS);
    (socket as Read)[kPreface] = this;
    socket.on('readable', more).on('end', ended).on('error', ignore).on('close', closed);
  }

  /** The visitor's IP address, as far as it is known. */
  get ip(): string {
    return this.ends?.source.host ?? this.#ip;
  }

  /** The visitor, `ip:port`, likewise. */
  get remote(): string {
    return this.ends === undefined ? this.#remote : formatAddress(this.ends.source);
  }

  /** Goes on with the host. */
  readHost(): void {
    this.#stage = 'host';
    if (this.ends !== undefined) {
      // From here on it has its share with others of its own address.
      this.#rules.slots.release(this.#slot);
      this.#slot = this.#take(networkOf(this.ip));
    }
    this.#lookForHost();
  }

  /** Ends the reading. Nothing but the header is missing from the socket, whose owner the caller is now. */
  handOver(): Socket {
    this.#leave();
    const socket = this.#socket.off('readable', more).off('end', ended).off('error', ignore).off('close', closed);
    if (this.#bytes.length > 0) socket.unshift(this.#bytes);
    // Whoever carries them may free their memory.
    this.#bytes = NOTHING;
    return socket;
  }

  /** Turns the visitor away, at once or behind an answer. Does nothing once it has ended. */
  refuse(answer?: Buffer): void {
    if (this.#stage === 'over') return;
    if (answer === undefined || this.#stage === 'farewell' || !this.#socket.writable) {
      this.#leave();
      return breakOff(this.#socket);
    }
    this.#stage = 'farewell';
    this.#bytes = NOTHING;
    this.#rules.clock.clearTimeout(this.#timer);
    this.#wait(FAREWELL_MS);
    this.#socket.end(answer);
  }

  /** @internal */
  socketReadable(): void {
    const chunk = this.#socket.read() as Buffer | null;
    // What still comes is dropped: unread it would make a reset of the end, which may overtake the answer.
    if (chunk === null || this.#stage === 'farewell') return;
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#stage === 'header') this.#lookForHeader();
    else if (this.#stage === 'host') this.#lookForHost();
  }

  /** @internal */
  socketEnded(): void {
    // The farewell ends the socket once it has been written.
    if (this.#stage === 'farewell') return;
    if (this.#bytes.length > 0) return this.#fault();
    // Who says nothing at all has only looked whether somebody listens, as balancers do.
    this.#leave();
    this.#socket.destroy();
  }

  /** @internal */
  socketClosed(): void {
    if (this.#stage !== 'over') this.#leave();
  }

  #lookForHeader(): void {
    try {
      const header = decodeProxyHeader(this.#bytes);
      if (header === undefined) return;
      this.ends = header.ends;
      this.#bytes = this.#bytes.subarray(header.bytes);
    } catch {
      return this.#fault();
    }
    this.#owner.onHeader(this);
  }

  #lookForHost(): void {
    const read = readHost(this.#bytes);
    if (read !== undefined) this.#owner.onHost(this, read);
  }

  /** It has taken too long, is needed no more, or does not say what it must. */
  #fault(): void {
    const stage = this.#stage;
    this.refuse();
    if (stage === 'header' || stage === 'host') {
      this.#owner.onFault(this, stage === 'header' ? 'proxy-header' : 'preface');
    }
  }

  #take(key: string): HandshakeSlot {
    return this.#rules.slots.take(key, () => this.#fault());
  }

  #wait(ms: number): void {
    this.#timer = this.#rules.clock.setTimeout(() => this.#fault(), ms);
  }

  #leave(): void {
    this.#stage = 'over';
    this.#rules.clock.clearTimeout(this.#timer);
    this.#rules.slots.release(this.#slot);
  }
}

function ignore(): void {}

// Shared by all, so that no visitor has listeners of its own.
function more(this: Read): void {
  this[kPreface].socketReadable();
}
function ended(this: Read): void {
  this[kPreface].socketEnded();
}
function closed(this: Read): void {
  this[kPreface].socketClosed();
}
