/** What a session is made of, and who hears of it. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { CloseReason } from '../close-reason.ts';
import type { FrameDecoder } from '../wire/decode.ts';
import type { DatagramVisit } from './datagram-visit.ts';
import type { Greeted } from './greeting.ts';
import type { Session } from './session.ts';
import type { Visit } from './visit.ts';

/** What a session tells its owner, from socket handlers. What is left out is refused or ignored. */
export interface SessionOwner {
  /** The other side opened a visit: accept or reset it. Without this, visits are refused. */
  onVisit?(visit: Visit, session: Session): void;
  /** The same for a visit of datagrams. */
  onDatagrams?(visit: DatagramVisit, session: Session): void;
  /** The server wants `count` more connections. */
  onDemand?(count: number): void;
  /** The session broke: the other side did something wrong, or the network did. It is closed already. */
  onFault?(error: Error, session: Session): void;
  /** The session has closed; said once, before the pool hears. */
  onEnd?(session: Session, reason: CloseReason): void;
}

export interface SessionOptions {
  readonly id: string;
  readonly socket: Duplex;
  /** The greeting's decoder, which may be in the middle of a chunk. */
  readonly decoder: FrameDecoder;
  readonly greeted: Greeted;
  readonly side: 'server' | 'client';
  /** The other end's address, for people. */
  readonly remote: string;
  readonly clock: Clock;
  readonly owner: SessionOwner;
}
