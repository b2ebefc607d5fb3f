/** The payloads of `udp` visits (docs/protocol.md, "UDP visits"): a flow's number, and its address or one datagram. */

import { ProtocolError } from '../errors.ts';
import { addressField, check, expectLength, message, readJson } from './fields.ts';
import { FrameType, HEADER_BYTES } from './frame.ts';
import { writeHeader } from './encode.ts';

/** Length of a flow's number, in front of what belongs to the flow, bytes. */
export const FLOW_BYTES = 4;

/** The last flow number, 2³² − 1: a visit that has used it opens no other flow. */
export const MAX_FLOW = 2 ** 32 - 1;

/** The longest datagram, bytes: what UDP over IPv4 has room for (65,535 less two headers of 20 and 8). */
export const MAX_DATAGRAM_BYTES = 65_507;

/** Bytes in front of a datagram: the frame's header and the flow. */
export const DATAGRAM_HEADER_BYTES = HEADER_BYTES + FLOW_BYTES;

/** FLOW: a new flow, and the visitor whose datagrams it carries. */
export interface FlowInfo {
  readonly flow: number;
  /** The visitor's address, `ip:port` or `[ipv6]:port`. */
  readonly remote: string;
}

const FlowSchema = message({ remote: addressField });

/** The number of the flow after `last`, 0 before the first; undefined when all are used up. */
export function nextFlow(last: number): number | undefined {
  return last < MAX_FLOW ? last + 1 : undefined;
}

/** @throws RangeError if `flow` is no u32 */
export function encodeFlow({ flow, remote }: FlowInfo): Buffer {
  return Buffer.concat([encodeFlowEnd(flow), Buffer.from(JSON.stringify({ remote }))]);
}

/** @throws ProtocolError if it is malformed */
export function decodeFlow(payload: Buffer): FlowInfo {
  if (payload.length < FLOW_BYTES) throw new ProtocolError(`FLOW: ${payload.length} bytes are too few`);
  const json = readJson(payload.subarray(FLOW_BYTES), 'FLOW');
  const { remote } = check(FlowSchema, json, 'FLOW', (text) => new ProtocolError(text));
  return { flow: payload.readUInt32BE(0), remote };
}

/** @throws RangeError if `flow` is no u32 */
export function encodeFlowEnd(flow: number): Buffer {
  const payload = Buffer.allocUnsafe(FLOW_BYTES);
  payload.writeUInt32BE(flow, 0);
  return payload;
}

/**
 * The flow that is over.
 * @throws ProtocolError if the payload is not 4 bytes
 */
export function decodeFlowEnd(payload: Buffer): number {
  expectLength('FLOWEND', payload, FLOW_BYTES);
  return payload.readUInt32BE(0);
}

/**
 * Writes what stands before a datagram of `length` bytes: the header of a DATA frame, and the flow.
 * @throws RangeError if a number is beyond its limit or `target` is too short
 */
export function writeDatagramHeader(target: Buffer, offset: number, visit: number, flow: number, length: number): void {
  writeHeader(target, offset, FrameType.data, visit, FLOW_BYTES + length);
  target.writeUInt32BE(flow, offset + HEADER_BYTES);
}

/** @throws ProtocolError if a DATA frame of a `udp` visit cannot have a payload of so many bytes */
export function checkDatagramLength(length: number): void {
  if (length >= FLOW_BYTES && length <= FLOW_BYTES + MAX_DATAGRAM_BYTES) return;
  throw new ProtocolError(
    `DATA of a udp visit: ${length} bytes are no flow and datagram of at most ${MAX_DATAGRAM_BYTES} bytes`,
  );
}
