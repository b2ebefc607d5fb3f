/**
 * The life of the visits on one connection as a table (docs/protocol.md, "States"): no sockets, no time, no payloads.
 * Both ends run the same machine, one as the opener and one as the acceptor.
 */
import { ProtocolError } from '../errors.ts';
import { FrameType, MAX_VISIT } from '../wire/frame.ts';

/** Which side of its connection opens visits. */
export type SessionRole = 'opener' | 'acceptor';

/**
 * - `idle`: no visit
 * - `opening`: OPEN is sent, OPENED is not here yet
 * - `openingDone`: the same, and the opener has sent FIN already
 * - `open`: both directions flow
 * - `localDone`, `remoteDone`: this side, the other side has sent FIN; the other direction goes on
 * - `draining`: this side has sent RESET and waits for the other's FIN or RESET
 */
export type VisitPhase = 'idle' | 'opening' | 'openingDone' | 'open' | 'localDone' | 'remoteDone' | 'draining';

/** The frames of a visit, sent by the side named first. */
type Move = 'open' | 'opened' | 'data' | 'fin' | 'reset';
type Moves = { readonly [M in Move]?: VisitPhase };
type Table = { readonly [P in VisitPhase]: Moves };

/** What may be sent in each phase, and where it leads. */
const SEND: { readonly [R in SessionRole]: Table } = {
  opener: {
    idle: { open: 'opening' },
    opening: { data: 'opening', fin: 'openingDone', reset: 'draining' },
    openingDone: { reset: 'draining' },
    open: { data: 'open', fin: 'localDone', reset: 'draining' },
    localDone: { reset: 'draining' },
    remoteDone: { data: 'remoteDone', fin: 'idle', reset: 'idle' },
    draining: {},
  },
  acceptor: {
    idle: {},
    opening: { opened: 'open', reset: 'draining' },
    openingDone: { opened: 'remoteDone', reset: 'idle' },
    open: { data: 'open', fin: 'localDone', reset: 'draining' },
    localDone: { reset: 'draining' },
    remoteDone: { data: 'remoteDone', fin: 'idle', reset: 'idle' },
    draining: {},
  },
};

/** What may come in each phase, and where it leads. A side that has not ended answers RESET with RESET. */
const RECEIVE: { readonly [R in SessionRole]: Table } = {
  opener: {
    idle: {},
    opening: { opened: 'open', reset: 'idle' },
    openingDone: { opened: 'localDone', reset: 'idle' },
    open: { data: 'open', fin: 'remoteDone', reset: 'idle' },
    localDone: { data: 'localDone', fin: 'idle', reset: 'idle' },
    remoteDone: { reset: 'idle' },
    draining: { opened: 'draining', data: 'draining', fin: 'idle', reset: 'idle' },
  },
  acceptor: {
    idle: { open: 'opening' },
    opening: { data: 'opening', fin: 'openingDone', reset: 'idle' },
    openingDone: { reset: 'idle' },
    open: { data: 'open', fin: 'remoteDone', reset: 'idle' },
    localDone: { data: 'localDone', fin: 'idle', reset: 'idle' },
    remoteDone: { reset: 'idle' },
    draining: { data: 'draining', fin: 'idle', reset: 'idle' },
  },
};

/** The phases in which this side has sent its FIN or RESET: it owes the other side no answer. */
const ENDED: { readonly [R in SessionRole]: ReadonlySet<VisitPhase> } = {
  opener: new Set(['idle', 'openingDone', 'localDone', 'draining']),
  acceptor: new Set(['idle', 'localDone', 'draining']),
};

/** What the frames of a visit are called in the tables. */
const MOVES = new Map<number, Move>([
  [FrameType.open, 'open'],
  [FrameType.opened, 'opened'],
  [FrameType.data, 'data'],
  [FrameType.fin, 'fin'],
  [FrameType.reset, 'reset'],
]);

/** In a visit of datagrams these may go wherever DATA may; FLOW comes from the opener alone. */
const FLOWS: ReadonlySet<number> = new Set([FrameType.flow, FrameType.flowEnd]);

/** What to do with a frame: hand it on, or read past it because its visit is over. */
export type Verdict = 'deliver' | 'drop';

export class SessionState {
  readonly role: SessionRole;
  #phase: VisitPhase = 'idle';
  #visit = 0;
  /** The visit's OPEN said `udp`. */
  #datagrams = false;

  constructor(role: SessionRole) {
    this.role = role;
  }

  get phase(): VisitPhase {
    return this.#phase;
  }

  /** The number of the last visit opened; 0 before the first. */
  get visit(): number {
    return this.#visit;
  }

  /** No visit number is left: the connection must be replaced. */
  get exhausted(): boolean {
    return this.#visit === MAX_VISIT;
  }

  /** Whether this side still owes the visit a FIN or RESET. */
  get owesEnd(): boolean {
    return !ENDED[this.role].has(this.#phase);
  }

  /** Whether the target is connected: OPENED was sent, or has come. */
  get established(): boolean {
    return this.#phase !== 'idle' && this.#phase !== 'opening' && this.#phase !== 'openingDone';
  }

  /** Whether this frame of the visit may be sent now. */
  may(move: Exclude<Move, 'open'>): boolean {
    return SEND[this.role][this.#phase][move] !== undefined;
  }

  /** Whether data of the visit is still wanted. */
  get wantsData(): boolean {
    return this.#phase !== 'draining' && RECEIVE[this.role][this.#phase].data !== undefined;
  }

  /**
   * The number for the next visit, which begins now.
   *
   * @param datagrams it is a `udp` visit, in which flows come and go
   * @throws ProtocolError when this side may not open one
   */
  open(datagrams = false): number {
    this.#step(SEND, 'open', 'send');
    this.#visit += 1;
    this.#datagrams = datagrams;
    return this.#visit;
  }

  /** Records that this side sends a frame of the visit. @throws ProtocolError when the phase does not let it */
  send(move: Exclude<Move, 'open'>): void {
    this.#step(SEND, move, 'send');
  }

  /**
   * Judges a frame of a visit by its header, changing nothing.
   *
   * @throws ProtocolError when the state does not allow it
   */
  judge(type: number, visit: number): Verdict {
    const move = FLOWS.has(type) ? 'data' : MOVES.get(type);
    if (move === undefined || visit === 0) throw this.#unexpected(type, visit);
    if (move === 'open') {
      if (visit !== this.#visit + 1) throw this.#unexpected(type, visit);
    } else {
      if (visit > this.#visit) throw this.#unexpected(type, visit);
      if (visit < this.#visit || this.#phase === 'idle') return 'drop';
    }
    const misplaced = FLOWS.has(type) && !this.#takesFlow(type);
    if (misplaced || RECEIVE[this.role][this.#phase][move] === undefined) throw this.#unexpected(type, visit);
    return this.#phase === 'draining' && (move === 'data' || move === 'opened') ? 'drop' : 'deliver';
  }

  /**
   * Takes a whole frame that {@link judge} let through, but for DATA, FLOW and FLOWEND, which change nothing. True when a
   * RESET must be answered with RESET.
   *
   * @param datagrams of an OPEN: it is a `udp` visit
   */
  receive(type: number, datagrams = false): boolean {
    const move = MOVES.get(type) as Move;
    const mustAnswer = move === 'reset' && this.owesEnd;
    // A visit that this side ended while the frame was still coming in has nothing left to change.
    if (RECEIVE[this.role][this.#phase][move] !== undefined) this.#step(RECEIVE, move, 'receive');
    if (move === 'open') {
      this.#visit += 1;
      this.#datagrams = datagrams;
    }
    return mustAnswer;
  }

  #takesFlow(type: number): boolean {
    return this.#datagrams && (type === FrameType.flowEnd || this.role === 'acceptor');
  }

  #step(table: { readonly [R in SessionRole]: Table }, move: Move, verb: string): void {
    const next = table[this.role][this.#phase][move];
    if (next === undefined) throw new ProtocolError(`the ${this.role} cannot ${verb} ${move} while ${this.#phase}`);
    this.#phase = next;
  }

  #unexpected(type: number, visit: number): ProtocolError {
    const name = MOVES.get(type) ?? `frame 0x${type.toString(16)}`;
    const where = `while ${this.#phase} in visit ${this.#visit}`;
    return new ProtocolError(`the other side sent ${name} of visit ${visit} ${where}, where it is not allowed`);
  }
}
