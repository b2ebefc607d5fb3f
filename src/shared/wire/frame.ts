/**
 * The numbers of the session layer (docs/protocol.md): a frame is
 * `type u8 · length u24 · visit u32 · payload`, all big-endian. Nothing but constants lives here.
 */

/** The version that CHALLENGE carries. Another version may lay out everything behind it differently. */
export const PROTOCOL_VERSION = 1;

/** Bytes in front of every payload: type, length, visit. */
export const HEADER_BYTES = 8;

/** The last visit number, 2³² − 1: a connection that has used it is retired. Visit 0 means "outside a visit". */
export const MAX_VISIT = 2 ** 32 - 1;

/** Frame types (docs/protocol.md, "Frames"). */
export const FrameType = {
  challenge: 0x01,
  hello: 0x02,
  welcome: 0x03,
  reject: 0x04,
  open: 0x10,
  opened: 0x11,
  data: 0x12,
  fin: 0x13,
  reset: 0x14,
  flow: 0x15,
  flowEnd: 0x16,
  ping: 0x20,
  pong: 0x21,
  demand: 0x30,
  drain: 0x31,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Why a visit was abandoned (docs/protocol.md, "RESET codes"). */
export const ResetCode = {
  targetRefused: 1,
  targetTimeout: 2,
  targetNotFound: 3,
  draining: 4,
  limit: 5,
  visitorLeft: 16,
  stalled: 17,
  targetReset: 18,
  internal: 19,
} as const;
export type ResetCode = (typeof ResetCode)[keyof typeof ResetCode];

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(FrameType));

/** The largest payload a frame of this type may have, bytes. Types that are not known have one too. */
export function payloadLimit(type: number): number {
  switch (type) {
    case FrameType.data:
      return 256 * 1024;
    case FrameType.hello:
      return 4 * 1024;
    case FrameType.open:
      return 1024;
    default:
      return 16 * 1024;
  }
}

/** True for the types in {@link FrameType}. */
export function isKnownType(type: number): type is FrameType {
  return KNOWN_TYPES.has(type);
}

/** True for a type that is not known but may be skipped: those from 0x80 up leave room for extensions. */
export function isSkippable(type: number): boolean {
  return type >= 0x80 && !isKnownType(type);
}

/** True for the codes which promise that no byte of the visitor reached a target, so that another try is safe. */
export function isBeforeTarget(code: number): boolean {
  return code >= ResetCode.targetRefused && code <= ResetCode.limit;
}
