/**
 * The payloads that are more than bytes (docs/protocol.md, "Messages"): each `encode…` returns a payload for
 * `encodeFrame`, each `decode…` reads a whole one. Buffers in a decoded message are views of the payload.
 *
 * OPEN, the one on every visit's way, is checked by the same schemas as the rest: measured on Node 20, a check
 * by hand saved 0.25 µs of 1.0 µs a call, which is not worth a second way of checking.
 */

import * as v from 'valibot';
import { BadSettingsError, ProtocolError, type RejectCode } from '../errors.ts';
import { MAX_RESET_MESSAGE_BYTES, OPAQUE_BYTES } from './encode.ts';
import {
  addressField,
  check,
  expectLength,
  integerField,
  message,
  nameField,
  patternField,
  printable,
  readJson,
  readText,
  requireLength,
} from './fields.ts';
import { PROTOCOL_VERSION } from './frame.ts';

/** Length of the random number each side adds to the greeting, bytes. */
export const NONCE_BYTES = 16;

/** Length of a proof, bytes (HMAC-SHA256). */
export const PROOF_BYTES = 32;

/** Longest message in a REJECT, in UTF-16 code units. */
const MAX_REJECT_MESSAGE_LENGTH = 512;

/** The longest wait that a REJECT may ask for, ms. */
const MAX_RETRY_AFTER_MS = 3_600_000;

const MAX_REQUIRED = 16;
/** The most connections that WELCOME may speak of. */
export const MAX_CONNECTIONS = 1_000_000;
const MIN_KEEP_ALIVE_MS = 1_000;
const MAX_KEEP_ALIVE_MS = 3_600_000;
/** The most processes that a server may have. */
export const MAX_WORKERS = 1024;

const protocolError = (text: string): Error => new ProtocolError(text);
const badSettings = (text: string): Error => new BadSettingsError(text);

/** CHALLENGE: the server's first frame, right behind the tag. */
export interface Challenge {
  readonly version: number;
  /** 16 random bytes, never used twice. */
  readonly nonce: Buffer;
}

/** @throws RangeError if the nonce has another length than 16 bytes */
export function encodeChallenge(challenge: Challenge): Buffer {
  requireLength('nonce', challenge.nonce, NONCE_BYTES);
  return Buffer.concat([Buffer.of(challenge.version), challenge.nonce]);
}

/** @throws ProtocolError if the version is not {@link PROTOCOL_VERSION} or the length is wrong */
export function decodeChallenge(payload: Buffer): Challenge {
  const version = payload[0];
  if (version !== undefined && version !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      `the server speaks version ${version} of the wire, this side version ${PROTOCOL_VERSION}; upgrade the older one`,
    );
  }
  expectLength('CHALLENGE', payload, 1 + NONCE_BYTES);
  return { version: PROTOCOL_VERSION, nonce: payload.subarray(1) };
}

/** A public port that the client asks the server to open for its tunnel. */
export interface PublishInfo {
  readonly port: number;
  /** What visitors speak there. */
  readonly protocol: 'tcp' | 'udp';
  /** Whether other clients that say the same may serve the port's visitors, too. */
  readonly share: boolean;
}

/** What the client says about itself in HELLO. */
export interface HelloInfo {
  /** Whose visits this connection is for. */
  readonly tunnel: string;
  /** 16 random bytes as 32 lower-case hex characters, the same for all connections of one client process. */
  readonly client: string;
  /** Program and version for people, for instance `poold/0.1.0`; 1 to 128 printable ASCII characters. */
  readonly agent: string;
  /** Which of the server's tokens to try (`deriveKid`), 8 lower-case hex characters. */
  readonly kid: string;
  readonly publish?: PublishInfo;
  /** Keys of this message which the server must understand or refuse. */
  readonly require?: readonly string[];
}

/** HELLO: who calls, for which tunnel, and the proof of it. */
export interface Hello extends HelloInfo {
  readonly proof: Buffer;
  /** 16 random bytes, never used twice. */
  readonly nonce: Buffer;
  /** The JSON as it came, for the transcript. */
  readonly json: Buffer;
}

const PublishSchema = message({
  port: integerField(1, 65_535),
  protocol: v.picklist(['tcp', 'udp'], 'is neither "tcp" nor "udp"'),
  share: v.boolean('is neither true nor false'),
});

const HelloSchema = message({
  tunnel: nameField,
  client: patternField(/^[0-9a-f]{32}$/, '32 lower-case hex characters'),
  agent: patternField(/^[\x20-\x7e]{1,128}$/, '1 to 128 printable ASCII characters'),
  kid: patternField(/^[0-9a-f]{8}$/, '8 lower-case hex characters'),
  publish: v.exactOptional(PublishSchema),
  require: v.exactOptional(
    v.pipe(v.array(nameField, 'is not a list'), v.maxLength(MAX_REQUIRED, `has more than ${MAX_REQUIRED} entries`)),
  ),
});

/** The JSON of a HELLO: made first, because the proof covers it. */
export function encodeHelloJson(info: HelloInfo): Buffer {
  const { tunnel, client, agent, kid, publish, require } = info;
  return Buffer.from(JSON.stringify({ tunnel, client, agent, kid, publish, require }));
}

/** @throws RangeError if proof or nonce have a wrong length */
export function encodeHello(proof: Buffer, nonce: Buffer, json: Buffer): Buffer {
  requireLength('proof', proof, PROOF_BYTES);
  requireLength('nonce', nonce, NONCE_BYTES);
  return Buffer.concat([proof, nonce, json]);
}

/**
 * Reads a HELLO; nothing in it is proved yet.
 * @throws ProtocolError if it is malformed or requires what this version does not understand. Both mean that the
 *   client speaks another version of the protocol: answer REJECT `version`.
 */
export function decodeHello(payload: Buffer): Hello {
  const jsonStart = PROOF_BYTES + NONCE_BYTES;
  if (payload.length < jsonStart) throw new ProtocolError(`HELLO: ${payload.length} bytes are too few`);
  const json = payload.subarray(jsonStart);
  const info = check(HelloSchema, readJson(json, 'HELLO'), 'HELLO', protocolError);
  for (const name of info.require ?? []) {
    if (!Object.hasOwn(HelloSchema.entries, name)) {
      throw new ProtocolError(`HELLO: requires "${name}", which this version does not understand; upgrade the server`);
    }
  }
  return { ...info, proof: payload.subarray(0, PROOF_BYTES), nonce: payload.subarray(PROOF_BYTES, jsonStart), json };
}

/** What the server decides for a connection's life. */
export interface Settings {
  /** Which side opens visits: `server` for a reverse tunnel, `client` for a forward one. */
  readonly opener: 'server' | 'client';
  /** How many connections the server takes for this tunnel. */
  readonly maxConnections: number;
  /** How often an idle connection is to be proved alive, ms; 0 is never. */
  readonly keepAliveMs: number;
  /** Which of the server's processes this is, counted from 0. */
  readonly worker: number;
  /** How many processes the server has. */
  readonly workers: number;
}

/** WELCOME: the server's proof, and the settings of a connection that is now idle in both pools. */
export interface Welcome extends Settings {
  readonly proof: Buffer;
  /** The JSON as it came, for the transcript. */
  readonly json: Buffer;
}

const SettingsSchema = message({
  opener: v.picklist(['server', 'client'], 'is neither "server" nor "client"'),
  maxConnections: integerField(1, MAX_CONNECTIONS),
  keepAliveMs: v.union(
    [integerField(0, 0), integerField(MIN_KEEP_ALIVE_MS, MAX_KEEP_ALIVE_MS)],
    `is neither 0 nor an integer from ${MIN_KEEP_ALIVE_MS} to ${MAX_KEEP_ALIVE_MS}`,
  ),
  worker: integerField(0, MAX_WORKERS - 1),
  workers: integerField(1, MAX_WORKERS),
});

/** The JSON of a WELCOME: made first, because the proof covers it. */
export function encodeWelcomeJson(settings: Settings): Buffer {
  const { opener, maxConnections, keepAliveMs, worker, workers } = settings;
  return Buffer.from(JSON.stringify({ opener, maxConnections, keepAliveMs, worker, workers }));
}

/** @throws RangeError if the proof has a wrong length */
export function encodeWelcome(proof: Buffer, json: Buffer): Buffer {
  requireLength('proof', proof, PROOF_BYTES);
  return Buffer.concat([proof, json]);
}

/**
 * Reads a WELCOME; the proof in it is still to be compared.
 * @throws ProtocolError if it is no proof and a JSON object
 * @throws BadSettingsError if a setting is missing, of another kind or outside sane bounds
 */
export function decodeWelcome(payload: Buffer): Welcome {
  if (payload.length < PROOF_BYTES) throw new ProtocolError(`WELCOME: ${payload.length} bytes are too few`);
  const json = payload.subarray(PROOF_BYTES);
  const settings = check(SettingsSchema, readJson(json, 'WELCOME'), 'WELCOME', badSettings);
  if (settings.worker >= settings.workers) {
    throw new BadSettingsError(`WELCOME: worker ${settings.worker} of ${settings.workers} does not exist`);
  }
  return { ...settings, proof: payload.subarray(0, PROOF_BYTES), json };
}

/** REJECT: the greeting ends here. It is not authenticated: anyone on the path can send one. */
export interface Reject {
  readonly code: RejectCode;
  /** For people; at most 512 characters, none that could forge a log line. */
  readonly message: string;
  /** How long to wait before the next try, ms. */
  readonly retryAfterMs?: number;
}

const RejectSchema = message({
  code: v.picklist(['auth', 'version', 'busy', 'tunnel', 'full', 'limit'], 'is no code of this version'),
  message: v.pipe(
    v.string('is not text'),
    v.maxLength(MAX_REJECT_MESSAGE_LENGTH, `has more than ${MAX_REJECT_MESSAGE_LENGTH} characters`),
    v.transform(printable),
  ),
  retryAfterMs: v.exactOptional(integerField(0, MAX_RETRY_AFTER_MS)),
});

/** A message that is too long is cut. */
export function encodeReject(reject: Reject): Buffer {
  const { code, retryAfterMs } = reject;
  const text = printable(reject.message.slice(0, MAX_REJECT_MESSAGE_LENGTH));
  return Buffer.from(JSON.stringify({ code, message: text, retryAfterMs }));
}

/** @throws ProtocolError if it is malformed */
export function decodeReject(payload: Buffer): Reject {
  return check(RejectSchema, readJson(payload, 'REJECT'), 'REJECT', protocolError);
}

/** OPEN: a visit begins. */
export interface OpenInfo {
  readonly protocol: 'tcp' | 'udp';
  readonly tunnel: string;
  /** The visitor's address, `ip:port` or `[ipv6]:port`; `unix` for one on a unix socket. */
  readonly remote: string;
  /** The address the visitor connected to, in the same form. */
  readonly local: string;
}

const OpenSchema = message({
  protocol: v.picklist(['tcp', 'udp'], 'is neither "tcp" nor "udp"'),
  tunnel: nameField,
  remote: addressField,
  local: addressField,
});

export function encodeOpen(info: OpenInfo): Buffer {
  const { protocol, tunnel, remote, local } = info;
  return Buffer.from(JSON.stringify({ protocol, tunnel, remote, local }));
}

/** @throws ProtocolError if it is malformed */
export function decodeOpen(payload: Buffer): OpenInfo {
  return check(OpenSchema, readJson(payload, 'OPEN'), 'OPEN', protocolError);
}

/** RESET: a visit is abandoned. */
export interface Reset {
  /** A u16; codes that are not in `ResetCode` are let through, so that new ones can come. */
  readonly code: number;
  /** For people; none of its characters could forge a log line. */
  readonly message: string;
}

/** @throws ProtocolError if it is too short, too long or not UTF-8 */
export function decodeReset(payload: Buffer): Reset {
  if (payload.length < 2) throw new ProtocolError(`RESET: ${payload.length} bytes are too few`);
  if (payload.length > 2 + MAX_RESET_MESSAGE_BYTES) {
    throw new ProtocolError(`RESET: a message of ${payload.length - 2} bytes, ${MAX_RESET_MESSAGE_BYTES} are allowed`);
  }
  return { code: payload.readUInt16BE(0), message: printable(readText(payload.subarray(2), 'RESET')) };
}

/**
 * How many connections a DEMAND asks for; 0 asks for nothing.
 * @throws ProtocolError if the payload is not 4 bytes
 */
export function decodeDemand(payload: Buffer): number {
  expectLength('DEMAND', payload, 4);
  return payload.readUInt32BE(0);
}

/**
 * The 8 bytes of a PING or a PONG.
 * @throws ProtocolError if there are more or fewer
 */
export function decodeOpaque(payload: Buffer): Buffer {
  expectLength('PING or PONG', payload, OPAQUE_BYTES);
  return payload;
}
