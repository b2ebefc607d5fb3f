/**
 * Test vectors of the authentication, the same as in docs/protocol.md.
 *
 * Computed once by a Python script that knows nothing of this code, from hashlib and hmac alone:
 *
 *     master = hashlib.scrypt(token, salt=b'poold v1', n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
 *     prk    = hmac.new(bytes(32), master, 'sha256').digest()                        # HKDF, RFC 5869
 *     kid    = hmac.new(prk, b'kid' + b'\x01', 'sha256').digest()[:4]
 *     key    = hmac.new(prk, b'poold v1 ' + tunnel + b'\x01', 'sha256').digest()
 *     body   = bytes([secure, len(tag)]) + tag + sha(challenge) + nonce + binding + sha(hello)
 *     client = hmac.new(key, b'poold1 client' + body, 'sha256').digest()
 *     server = hmac.new(key, b'poold1 server' + body + sha(welcome), 'sha256').digest()
 *
 * where `sha` is SHA-256. Everything that is not JSON or a name is hex.
 */
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

export const VECTORS: readonly Vector[] = [
  {
    title: 'a token, TLS, a text8 tag',
    token: 'correct horse battery staple',
    tunnel: 'web',
    secure: true,
    master: '1d49bd7f90b09a4f5b56cb1551713aee5d055c1a700c25a557b80f8a62cedd95',
    kid: '0c56054f',
    key: '5c978fa9ce9ffd599425a27da2f9f1da2708ec261cee8b8e6299472628970c89',
    tag: '5631537447585238',
    challenge: '01000102030405060708090a0b0c0d0e0f',
    clientNonce: '101112131415161718191a1b1c1d1e1f',
    binding: '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',
    hello: '{"tunnel":"web","client":"404142434445464748494a4b4c4d4e4f","agent":"poold/0.1.0","kid":"0c56054f"}',
    welcome: '{"opener":"server","maxConnections":1024,"keepAliveMs":30000,"worker":0,"workers":1}',
    clientProof: '24842ef9434357cab6583ef6af49ec38b0b939b2a7c161bdb47ae91febf93cdd',
    serverProof: 'd8d2d411cb2635515365a733f2df127e45b0885110444edd5dcfbc072ce0e8c3',
  },
  {
    title: 'no token, no TLS, a raw4 tag',
    token: undefined,
    tunnel: 'ssh',
    secure: false,
    master: '0000000000000000000000000000000000000000000000000000000000000000',
    kid: 'e7d98c57',
    key: '0b60f6e31122e02ddfcca8690bc0af551661e1708d6af1eda2726594e3ff980d',
    tag: 'a1b2c3d4',
    challenge: '01505152535455565758595a5b5c5d5e5f',
    clientNonce: '606162636465666768696a6b6c6d6e6f',
    binding: '0000000000000000000000000000000000000000000000000000000000000000',
    hello: '{"tunnel":"ssh","client":"707172737475767778797a7b7c7d7e7f","agent":"poold/0.1.0","kid":"e7d98c57"}',
    welcome: '{"opener":"server","maxConnections":16,"keepAliveMs":0,"worker":1,"workers":2}',
    clientProof: '9b5d62fbd851fe527e046718a12eec8a70ea3d3990acf17072b265f050578519',
    serverProof: 'c6e7a17fa28663178aefdfa58ed181e2b2dd2512de419e5b3ffa27e8312915d1',
  },
];
