/**
 * The visits of one connection as docs/protocol.md tells them, in flags and not in phases: what an end may hear, and what
 * it is to make of it. Another hand's reading of the page, to hold the session against.
 */
import { FrameType, ResetCode } from '../../src/shared/wire/frame.ts';

const EARLY_BYTES = 64 * 1024;
const LATE_BYTES = 1024 * 1024;

export interface ModelVisit {
  readonly number: number;
  established: boolean;
  /** This side has sent FIN, or RESET; the other side has ended. */
  fin: boolean;
  reset: boolean;
  theirEnd: boolean;
  earlyBytes: number;
  /** What its handler is to hear, bytes that follow each other being one entry, and the bytes that it is to send. */
  readonly hears: string[];
  sends: string;
}

/** A frame that comes in, and whether its payload can be read. */
export interface Incoming {
  readonly type: number;
  readonly visit: number;
  readonly payload: Buffer;
  readonly readable: boolean;
}

export class VisitModel {
  readonly #opener: boolean;
  readonly #server: boolean;
  /** The visit that is on. */
  visit: ModelVisit | undefined;
  /** The number of the last visit. */
  last = 0;
  /** The other side wants no more visits. */
  drains = false;
  closed: 'protocol-error' | 'drained' | 'unread' | undefined;
  /** PINGs that were to be answered, and what clients were asked for. */
  readonly pongs: string[] = [];
  #lateBytes = 0;

  constructor(opener: boolean, server: boolean) {
    this.#opener = opener;
    this.#server = server;
  }

  /** This side opens a visit, or the other has. */
  open(): ModelVisit {
    this.last += 1;
    this.visit = {
      ...{ number: this.last, established: false, fin: false, reset: false, theirEnd: false },
      ...{ earlyBytes: 0, hears: [], sends: '' },
    };
    return this.visit;
  }

  /** This side sends bytes in its visit; what may not be sent is dropped. */
  write(bytes: string): void {
    const { visit } = this;
    if (visit !== undefined && !visit.fin && !visit.reset && (this.#opener || visit.established)) visit.sends += bytes;
  }

  /** This side does something in its visit, where it may. */
  act(what: 'accept' | 'end' | 'reset'): void {
    const { visit } = this;
    if (visit === undefined || visit.reset) return;
    if (what === 'accept') {
      if (!this.#opener) visit.established = true;
      return;
    }
    if (what === 'reset') visit.reset = true;
    else if (!visit.fin && (this.#opener || visit.established)) visit.fin = true;
    this.#rest();
  }

  /** A frame comes. Returns false where it breaks a rule. */
  hear(frame: Incoming): boolean {
    if (this.closed !== undefined) return true;
    const well = this.#hear(frame);
    if (well) return true;
    this.closed = 'protocol-error';
    if (this.visit !== undefined && !this.visit.reset) this.visit.hears.push(`reset ${ResetCode.internal}`);
    return false;
  }

  #hear({ type, visit, payload, readable }: Incoming): boolean {
    switch (type) {
      case FrameType.ping:
        if (visit !== 0 || !readable) return false;
        this.pongs.push(payload.toString('hex'));
        return true;
      case FrameType.pong:
        return visit === 0 && readable;
      case FrameType.demand:
        return visit === 0 && readable && !this.#server;
      case FrameType.drain:
        if (visit !== 0 || !readable) return false;
        this.drains = true;
        this.#leave();
        return true;
    }
    if (type >= 0x80) return visit === 0;
    if (type < FrameType.open || type > FrameType.flowEnd || visit === 0) return false;
    if (type === FrameType.open) {
      if (this.#opener || this.visit !== undefined || visit !== this.last + 1 || !readable) return false;
      this.open();
      return true;
    }
    if (visit > this.last) return false;
    const on = this.visit;
    if (on === undefined || visit < this.last) return this.#late(payload);
    // Flows are of visits of datagrams, and this is none.
    if (type > FrameType.reset) return false;
    if (on.reset && (type === FrameType.data || (type === FrameType.opened && this.#opener))) {
      // Too much of what it has given up itself is nobody's fault.
      if (!this.#late(payload)) this.closed = 'unread';
      return true;
    }
    return this.#hearIn(on, type, payload, readable);
  }

  #hearIn(on: ModelVisit, type: number, payload: Buffer, readable: boolean): boolean {
    if (type === FrameType.opened) {
      if (!this.#opener || on.established || !readable) return false;
      on.established = true;
      on.hears.push('opened');
      return true;
    }
    if (type === FrameType.reset) {
      if (!readable) return false;
      if (!on.reset) on.hears.push(`reset ${payload.readUInt16BE(0)}`);
      this.#end(on, true);
      return true;
    }
    // The acceptor says nothing before OPENED, and nobody goes on behind an end.
    if (on.theirEnd || (this.#opener && !on.established && !on.reset)) return false;
    if (type === FrameType.data) {
      if (!on.established && (on.earlyBytes += payload.length) > EARLY_BYTES) return false;
      if (payload.length === 0) return true;
      const text = on.hears.at(-1)?.startsWith('data ') ? (on.hears.pop() ?? '') : 'data ';
      on.hears.push(text + String(payload));
      return true;
    }
    if (!readable) return false;
    if (!on.reset) on.hears.push('end');
    this.#end(on, false);
    return true;
  }

  #end(on: ModelVisit, reset: boolean): void {
    on.theirEnd = true;
    // RESET is answered by RESET.
    if (reset) on.reset = true;
    this.#rest();
  }

  #late(payload: Buffer): boolean {
    this.#lateBytes += 8 + payload.length;
    return this.#lateBytes <= LATE_BYTES;
  }

  /** Idle again, once both have ended. */
  #rest(): void {
    const { visit } = this;
    if (visit === undefined || !(visit.fin || visit.reset) || !visit.theirEnd) return;
    this.visit = undefined;
    this.#lateBytes = 0;
    this.#leave();
  }

  #leave(): void {
    if (this.drains && this.visit === undefined) this.closed = 'drained';
  }
}
