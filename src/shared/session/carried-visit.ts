import type { OpenInfo } from '../wire/messages.ts';

/** What a session needs of a visit that it carries, of bytes or of datagrams. All but the first four are the session's. */
export interface CarriedVisit {
  readonly info: OpenInfo;
  /** Payload bytes that were sent. */
  readonly bytesOut: number;
  /** Its receiver never stops the other side: what stands before a PING is read at once. */
  readonly flowing: boolean;
  /** Abandons the visit in both directions. */
  reset(code: number, message?: string): void;
  /** A DATA frame of so many bytes comes. @throws ProtocolError when it may not have that length */
  expect(length: number): void;
  /** A piece of it; `last` completes it. */
  received(piece: Buffer, last: boolean): void;
  /** Whatever came in this chunk was the visit's, and the chunk is nobody else's. */
  lend(chunk: Buffer): void;
  /** A FLOW or FLOWEND frame. @throws ProtocolError when it is malformed or out of order */
  flowed(type: number, payload: Buffer): void;
  opened(): void;
  ended(): void;
  wasReset(code: number, message: string): void;
  /** The socket has passed on what it had. */
  drained(): void;
  /** The session has let go of the visit. */
  detach(): void;
}
