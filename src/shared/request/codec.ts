/** A protocol of requests and replies, as a client needs to know it: bytes out, bytes in, and nothing of sockets. */

/** What a reply says that is no success. */
export interface ReplyFailure {
  /** `transient`: the server has not done it, and may a moment later; `permanent`: it would say so again. */
  readonly kind: 'transient' | 'permanent';
  /** What the request's error gets as its cause. */
  readonly error: Error;
}

/** Reads one connection's replies. It keeps what is incomplete, within limits of its own. */
export interface Decoder<Rep> {
  /**
   * The replies that are complete with these bytes, in order. Bytes of a reply may be kept as views: nobody else has them.
   * What it gives is read at once, and each reply counts before the next is asked for: a generator hands over those that
   * came whole before it throws.
   *
   * @throws what makes the bytes unreadable: the connection is closed, for nobody knows where the next reply begins
   */
  push(bytes: Buffer): Iterable<Rep>;
}

export interface Codec<Req, Rep> {
  /**
   * The request as bytes; a string is written as UTF-8, and several of them in one go cost less than buffers.
   *
   * @param id in a multiplexed protocol what the reply has to carry, a whole number from 1; else 0
   * @throws what is wrong with the request: it fails with a `PermanentRequestError`, and no other does
   */
  encode(request: Req, id: number): string | Uint8Array;
  /** A decoder for a new connection. */
  decoder(): Decoder<Rep>;
  /** Judges each reply; undefined is a success. Default: all are. */
  failure?(reply: Rep): ReplyFailure | undefined;
  /** For multiplexing: the ID of the request that this answers. */
  replyId?(reply: Rep): number;
  /** For multiplexing: the highest ID that the protocol has room for; after it they begin again. Default 2147483647. */
  readonly maxId?: number;
}
