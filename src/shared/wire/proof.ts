/**
 * Who holds the token (docs/protocol.md, "Authentication"). Both sides prove it over everything that was
 * said in the greeting and over the TLS connection itself, so a proof is good once, on one connection.
 */

import { createHmac, hash, hkdfSync, scrypt, timingSafeEqual } from 'node:crypto';
import { InvalidOptionError } from '../errors.ts';
import { requireLength } from './fields.ts';
import { NONCE_BYTES, PROOF_BYTES } from './messages.ts';

/** Length of the master and of every tunnel's key, bytes. */
const KEY_BYTES = 32;

/** Length of the TLS exporter's output that a proof is bound to, bytes. */
const BINDING_BYTES = 32;

const SALT = 'poold v1';
const KID_BYTES = 4;
/** About 0.1 s and 32 MiB for each guess. */
const SCRYPT_COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };

/**
 * The master of a pair without a token: 32 zero bytes. Such a pair exchanges proofs like any other, with a
 * key that everybody knows: they prove that both sides speak the same protocol and nothing else. The buffer is
 * shared; do not write to it.
 */
export const NO_TOKEN_MASTER: Buffer = Buffer.alloc(KEY_BYTES);

/** What a proof covers. The lengths are fixed, so no two transcripts have the same bytes. */
export interface Transcript {
  /** True in TLS modes 1 and 2, false in mode 0. */
  readonly secure: boolean;
  /** The tag as it was on the wire, 4 or 8 bytes. */
  readonly tag: Buffer;
  /** The payload of CHALLENGE. */
  readonly challenge: Buffer;
  /** The nonce of HELLO, 16 bytes. */
  readonly clientNonce: Buffer;
  /** 32 bytes of the TLS exporter with the label `EXPORTER-poold`; 32 zero bytes in mode 0. */
  readonly binding: Buffer;
  /** The JSON of HELLO, byte by byte as sent. */
  readonly hello: Buffer;
  /** The JSON of WELCOME, byte by byte as sent; the server's proof needs it. */
  readonly welcome?: Buffer;
}

/** Masters that are kept: those of the tokens in use, and of a few that were. */
const MAX_KEPT_MASTERS = 64;

/** By a hash of the token, the latest last: no token stays here. */
const masters = new Map<string, Promise<Buffer>>();

/**
 * The master of a token, which takes about 0.1 s off the main thread: once per token in a process, because a client of
 * many servers asks for it at each. The buffer is shared; do not write to it.
 * @param token used as its UTF-8 bytes, nothing trimmed
 * @throws InvalidOptionError if the token is empty
 */
export async function deriveMaster(token: string): Promise<Buffer> {
  if (token === '') throw new InvalidOptionError('token', 'is empty; give a secret or leave it out altogether');
  const name = sha256(Buffer.from(token)).toString('hex');
  const master = masters.get(name) ?? stretch(token);
  masters.delete(name);
  masters.set(name, master);
  const [oldest] = masters.keys();
  if (masters.size > MAX_KEPT_MASTERS && oldest !== undefined) masters.delete(oldest);
  try {
    return await master;
  } catch (error) {
    // For want of memory: it may go well the next time.
    masters.delete(name);
    throw error;
  }
}

function stretch(token: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(token, SALT, KEY_BYTES, SCRYPT_COST, (error, master) => {
      if (error === null) resolve(master);
      else reject(error);
    });
  });
}

/** The public name of a master: 8 lower-case hex characters, by which a server with many tokens finds it. */
export function deriveKid(master: Buffer): string {
  return deriveBytes(master, 'kid', KID_BYTES).toString('hex');
}

/** The key of one tunnel, 32 bytes. */
export function deriveTunnelKey(master: Buffer, tunnel: string): Buffer {
  return deriveBytes(master, `poold v1 ${tunnel}`, KEY_BYTES);
}

/**
 * The proof that the client sends in HELLO, 32 bytes. It does not cover `transcript.welcome`.
 * @throws RangeError if the key or a field of the transcript has a wrong length
 */
export function clientProof(key: Buffer, transcript: Transcript): Buffer {
  return prove(key, 'poold1 client', transcript, [transcript.hello]);
}

/**
 * The proof that the server sends in WELCOME, 32 bytes.
 * @throws RangeError if the key or a field of the transcript has a wrong length or `welcome` is missing
 */
export function serverProof(key: Buffer, transcript: Transcript): Buffer {
  if (transcript.welcome === undefined) throw new RangeError("the server's proof covers WELCOME, which is missing");
  return prove(key, 'poold1 server', transcript, [transcript.hello, transcript.welcome]);
}

/** True if both are proofs and equal; the time it takes does not tell where they differ. */
export function proofsEqual(a: Buffer, b: Buffer): boolean {
  return a.length === PROOF_BYTES && b.length === PROOF_BYTES && timingSafeEqual(a, b);
}

function prove(key: Buffer, role: string, transcript: Transcript, messages: readonly Buffer[]): Buffer {
  const { secure, tag, challenge, clientNonce, binding } = transcript;
  requireLength('key', key, KEY_BYTES);
  if (tag.length !== 4) requireLength('tag', tag, 8);
  requireLength('CHALLENGE', challenge, 1 + NONCE_BYTES);
  requireLength('client nonce', clientNonce, NONCE_BYTES);
  requireLength('binding', binding, BINDING_BYTES);
  const hmac = createHmac('sha256', key)
    .update(role)
    .update(Buffer.of(secure ? 1 : 0, tag.length))
    .update(tag)
    .update(sha256(challenge))
    .update(clientNonce)
    .update(binding);
  for (const json of messages) hmac.update(sha256(json));
  return hmac.digest();
}

function sha256(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** HKDF-SHA256 with an empty salt. */
function deriveBytes(master: Buffer, info: string, length: number): Buffer {
  requireLength('master', master, KEY_BYTES);
  return Buffer.from(hkdfSync('sha256', master, '', info, length));
}
