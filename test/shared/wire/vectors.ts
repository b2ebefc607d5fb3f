/**
 * The test vectors of the authentication, as docs/protocol.md has them.
 *
 * Computed by a Python script that knows nothing of this code, from hashlib and hmac alone:
 *
 *     master = hashlib.scrypt(token, salt=b'poold v1', n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
 *     prk    = hmac.new(bytes(32), master, 'sha256').digest()                        # HKDF, RFC 5869
 *     kid    = hmac.new(prk, b'kid' + b'\x01', 'sha256').digest()[:4]
 *     key    = hmac.new(prk, b'poold v1 ' + tunnel + b'\x01', 'sha256').digest()
 *     body   = bytes([secure, len(tag)]) + tag + sha(challenge) + nonce + binding + sha(hello)
 *     client = hmac.new(key, b'poold1 client' + body, 'sha256').digest()
 *     server = hmac.new(key, b'poold1 server' + body + sha(welcome), 'sha256').digest()
 *
 * where `sha` is SHA-256.
 */
import { readFileSync } from 'node:fs';

export interface Vector {
  readonly title: string;
  readonly token: string | undefined;
  readonly tunnel: string;
  readonly secure: boolean;
  readonly master: string;
  readonly kid: string;
  readonly key: string;
  readonly tag: string;
  readonly challenge: string;
  readonly clientNonce: string;
  readonly binding: string;
  readonly hello: string;
  readonly welcome: string;
  readonly clientProof: string;
  readonly serverProof: string;
}

// ava runs in the project's root.
const [, ...sections] = (readFileSync('docs/protocol.md', 'utf8').split('\n## Test vectors\n')[1] ?? '').split(
  '\n### ',
);

export const VECTORS: readonly Vector[] = sections.map((section) => {
  const [title = ''] = section.split('\n');
  const fields = new Map(
    Array.from(section.matchAll(/^\| (\w+) +\| `(.*)` *\|$/gm), ([, field = '', value = '']) => [field, value]),
  );
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`docs/protocol.md, "${title}": ${name} is missing`);
    return value;
  };
  return {
    title,
    token: fields.get('token'),
    tunnel: field('tunnel'),
    secure: field('secure') === '1',
    master: field('master'),
    kid: field('kid'),
    key: field('key'),
    tag: field('tag'),
    challenge: field('challenge'),
    clientNonce: field('clientNonce'),
    binding: field('binding'),
    hello: field('hello'),
    welcome: field('welcome'),
    clientProof: field('clientProof'),
    serverProof: field('serverProof'),
  };
});
