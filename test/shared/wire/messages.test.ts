import test from 'ava';
import { BadSettingsError, ProtocolError } from '../../../src/shared/errors.ts';
import {
  type Challenge,
  decodeChallenge,
  decodeDemand,
  decodeHello,
  decodeOpaque,
  decodeOpen,
  decodeReject,
  decodeReset,
  decodeWelcome,
  encodeChallenge,
  encodeHello,
  encodeHelloJson,
  encodeOpen,
  encodeReject,
  encodeWelcome,
  encodeWelcomeJson,
  type HelloInfo,
  type OpenInfo,
  type PublishInfo,
  type Reject,
  type Settings,
} from '../../../src/shared/wire/messages.ts';

const proof = Buffer.alloc(32, 0xaa);
const nonce = Buffer.alloc(16, 0xbb);

const info: HelloInfo = { tunnel: 'web', client: '0f'.repeat(16), agent: 'poold/0.1.0', kid: '0123abcd' };
const publish: PublishInfo = { port: 8080, protocol: 'udp', share: true };
const settings: Settings = { opener: 'server', maxConnections: 64, keepAliveMs: 30_000, worker: 1, workers: 2 };
const open: OpenInfo = { protocol: 'tcp', tunnel: 'web', remote: '203.0.113.7:51234', local: '[2001:db8::1]:443' };

/** The bytes of `base` with some keys changed; `undefined` leaves a key out. */
function json(base: object, change: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ ...base, ...change }));
}
const hello = (change: object): Buffer => encodeHello(proof, nonce, json(info, change));
const welcome = (change: object): Buffer => encodeWelcome(proof, json(settings, change));

/** Payloads that are no JSON object, whatever the message. */
const NOT_OBJECTS: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from('{'),
  Buffer.from('[]'),
  Buffer.from('null'),
  Buffer.from('"text"'),
  Buffer.from('[[['.repeat(1000)),
  Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  Buffer.from('\ufeff{}'),
];

test('CHALLENGE survives the way there', (t) => {
  const challenge: Challenge = { version: 1, nonce };
  t.deepEqual(decodeChallenge(encodeChallenge(challenge)), challenge);
});

test('a CHALLENGE of another version or length is refused', (t) => {
  const table: [payload: Buffer, message: RegExp][] = [
    [Buffer.alloc(0), /0 bytes, not 17/],
    [Buffer.alloc(16, 1), /16 bytes, not 17/],
    [Buffer.alloc(18, 1), /18 bytes, not 17/],
    [Buffer.alloc(17, 2), /speaks version 2 of the wire/],
    [Buffer.alloc(40, 2), /speaks version 2 of the wire/],
  ];
  for (const [payload, message] of table)
    t.throws(() => decodeChallenge(payload), { instanceOf: ProtocolError, message });
});

test('HELLO survives the way there, with the JSON as it was sent', (t) => {
  for (const sent of [info, { ...info, publish, require: ['publish', 'tunnel', 'require'] }]) {
    const bytes = encodeHelloJson(sent);
    t.deepEqual(decodeHello(encodeHello(proof, nonce, bytes)), { ...sent, proof, nonce, json: bytes });
  }
});

test('a malformed HELLO is refused with the name of what is wrong', (t) => {
  const table: [payload: Buffer, message: RegExp][] = [
    [Buffer.alloc(47), /47 bytes are too few/],
    ...NOT_OBJECTS.map((bytes): [Buffer, RegExp] => [
      encodeHello(proof, nonce, bytes),
      /^HELLO: the (text|payload) is not/,
    ]),
    [hello({ tunnel: undefined }), /^HELLO: tunnel is missing$/],
    [hello({ tunnel: '' }), /^HELLO: tunnel is not/],
    [hello({ tunnel: 'a'.repeat(65) }), /^HELLO: tunnel is not/],
    [hello({ tunnel: 'web\n' }), /^HELLO: tunnel is not/],
    [hello({ tunnel: 'wéb' }), /^HELLO: tunnel is not/],
    [hello({ tunnel: ['web'] }), /^HELLO: tunnel is not/],
    [hello({ client: 'ab' }), /^HELLO: client is not/],
    [hello({ client: 'G'.repeat(32) }), /^HELLO: client is not/],
    [hello({ agent: '' }), /^HELLO: agent is not/],
    [hello({ agent: 'x\u001b[2J' }), /^HELLO: agent is not/],
    [hello({ agent: 'x'.repeat(129) }), /^HELLO: agent is not/],
    [hello({ kid: '0123ABCD' }), /^HELLO: kid is not/],
    [hello({ kid: 12_345_678 }), /^HELLO: kid is not/],
    [hello({ publish: 8080 }), /^HELLO: publish is not an object$/],
    [hello({ publish: null }), /^HELLO: publish is not an object$/],
    [hello({ publish: { ...publish, port: 0 } }), /^HELLO: publish\.port is not an integer from 1 to 65535$/],
    [hello({ publish: { ...publish, port: '80' } }), /^HELLO: publish\.port is not/],
    [hello({ publish: { ...publish, protocol: 'sctp' } }), /^HELLO: publish\.protocol is neither/],
    [hello({ publish: { ...publish, share: 'yes' } }), /^HELLO: publish\.share is neither/],
    [hello({ publish: { port: 80, protocol: 'tcp' } }), /^HELLO: publish\.share is missing$/],
    [hello({ require: 'tunnel' }), /^HELLO: require is not/],
    [hello({ require: [''] }), /^HELLO: require\.0 is not/],
    [hello({ require: Array.from({ length: 17 }, () => 'tunnel') }), /^HELLO: require has more than 16/],
  ];
  for (const [payload, message] of table) t.throws(() => decodeHello(payload), { instanceOf: ProtocolError, message });
});

test('unknown keys in HELLO are ignored unless "require" lists them', (t) => {
  const extended = { compression: 'zstd' };
  t.false('compression' in decodeHello(hello(extended)));
  for (const name of ['compression', 'constructor', '__proto__', 'proof']) {
    t.throws(() => decodeHello(hello({ ...extended, require: ['tunnel', name] })), {
      instanceOf: ProtocolError,
      message: new RegExp(`requires "${name}", which this version does not understand`),
    });
  }
});

test('a key named __proto__ changes no prototype', (t) => {
  const text = `{"__proto__":{"polluted":true},${JSON.stringify(open).slice(1)}`;
  const decoded = decodeOpen(Buffer.from(text));
  t.deepEqual(decoded, open);
  t.is(Object.getPrototypeOf(decoded), Object.prototype);
  t.false('polluted' in decoded);
});

test('WELCOME survives the way there, also at the ends of its bounds', (t) => {
  const table: Settings[] = [
    settings,
    { opener: 'client', maxConnections: 1, keepAliveMs: 0, worker: 0, workers: 1 },
    { opener: 'server', maxConnections: 1_000_000, keepAliveMs: 1000, worker: 1023, workers: 1024 },
    { ...settings, keepAliveMs: 3_600_000 },
  ];
  for (const sent of table) {
    const bytes = encodeWelcomeJson(sent);
    t.deepEqual(decodeWelcome(encodeWelcome(proof, bytes)), { ...sent, proof, json: bytes });
  }
});

test('a WELCOME that asks for absurd settings is refused as such', (t) => {
  const table: [change: object, message: RegExp][] = [
    [{ opener: 'both' }, /opener/],
    [{ opener: undefined }, /opener is missing/],
    [{ maxConnections: 0 }, /maxConnections/],
    [{ maxConnections: -1 }, /maxConnections/],
    [{ maxConnections: 1_000_001 }, /maxConnections/],
    [{ maxConnections: 1.5 }, /maxConnections/],
    [{ maxConnections: '64' }, /maxConnections/],
    [{ maxConnections: null }, /maxConnections/],
    [{ keepAliveMs: 1 }, /keepAliveMs is neither 0 nor/],
    [{ keepAliveMs: 999 }, /keepAliveMs/],
    [{ keepAliveMs: 3_600_001 }, /keepAliveMs/],
    [{ keepAliveMs: -1000 }, /keepAliveMs/],
    [{ worker: -1 }, /worker/],
    [{ worker: 2 }, /worker 2 of 2 does not exist/],
    [{ workers: 0 }, /workers/],
    [{ workers: 1025 }, /workers/],
  ];
  for (const [change, message] of table) {
    t.throws(() => decodeWelcome(welcome(change)), { instanceOf: BadSettingsError, message });
  }
});

test('a WELCOME that is no message at all is a protocol error', (t) => {
  t.throws(() => decodeWelcome(Buffer.alloc(31)), { instanceOf: ProtocolError, message: /31 bytes are too few/ });
  for (const bytes of NOT_OBJECTS) {
    t.throws(() => decodeWelcome(encodeWelcome(proof, bytes)), { instanceOf: ProtocolError });
  }
});

test('REJECT survives the way there with every code', (t) => {
  for (const code of ['auth', 'version', 'busy', 'tunnel', 'full', 'limit'] as const) {
    const table: Reject[] = [
      { code, message: 'go away' },
      { code, message: '', retryAfterMs: 0 },
      { code, message: 'x'.repeat(512), retryAfterMs: 3_600_000 },
    ];
    for (const reject of table) t.deepEqual(decodeReject(encodeReject(reject)), reject);
  }
});

test('a REJECT message is cut at 512 characters, never inside one', (t) => {
  t.is(decodeReject(encodeReject({ code: 'auth', message: 'x'.repeat(600) })).message.length, 512);
  const sent = encodeReject({ code: 'auth', message: `${'x'.repeat(511)}😀` });
  t.deepEqual(JSON.parse(sent.toString()), { code: 'auth', message: 'x'.repeat(511) });
});

test('a malformed REJECT is refused', (t) => {
  const base: Reject = { code: 'auth', message: 'no' };
  const table: Buffer[] = [
    ...NOT_OBJECTS,
    json(base, { code: 'because' }),
    json(base, { code: undefined }),
    json(base, { message: 7 }),
    json(base, { message: 'x'.repeat(513) }),
    json(base, { retryAfterMs: -1 }),
    json(base, { retryAfterMs: 3_600_001 }),
    json(base, { retryAfterMs: '5' }),
  ];
  for (const payload of table) t.throws(() => decodeReject(payload), { instanceOf: ProtocolError });
});

test('no message from the peer can forge a log line or move the cursor', (t) => {
  const evil = 'a\r\nb\u001b[31mc\u0000d\u0085e\u2028f\u2029g\u202eh\u200bi\ud800j\u007fk';
  const clean = 'ab[31mcdefghijk';
  t.is(decodeReject(json({ code: 'auth', message: evil })).message, clean);
  // UTF-8 has no halves of a surrogate pair: on this way one becomes the replacement character.
  const bytes = Buffer.concat([Buffer.of(0, 19), Buffer.from(evil)]);
  t.is(decodeReset(bytes).message, clean.replace('j', '\ufffdj'));
});

test('OPEN survives the way there', (t) => {
  const table: OpenInfo[] = [
    open,
    { ...open, protocol: 'udp' },
    { ...open, remote: 'unix', local: 'unix' },
    { ...open, remote: '[::ffff:10.1.2.3]:1', local: '127.0.0.1:65535' },
    { ...open, remote: '[fe80::1%eth0]:5000' },
    { ...open, remote: '192.0.2.1:0' },
    { ...open, tunnel: `${'a'.repeat(60)}.B_-` },
  ];
  for (const sent of table) t.deepEqual(decodeOpen(encodeOpen(sent)), sent);
});

test('a malformed OPEN is refused with the name of what is wrong', (t) => {
  for (const payload of NOT_OBJECTS) t.throws(() => decodeOpen(payload), { instanceOf: ProtocolError });
  t.throws(() => decodeOpen(json(open, { protocol: 'sctp' })), {
    instanceOf: ProtocolError,
    message: /^OPEN: protocol/,
  });
  t.throws(() => decodeOpen(json(open, { tunnel: 'a b' })), { instanceOf: ProtocolError, message: /^OPEN: tunnel/ });
  const addresses = [
    undefined,
    null,
    80,
    '',
    'localhost:80',
    '1.2.3.4',
    '1.2.3.4:',
    '1.2.3.4:65536',
    '1.2.3.4:080',
    '1.2.3.4:8e1',
    '1.2.3.4:80 ',
    '1.2.3.4:80\n',
    '1.2.3:80',
    '999.2.3.4:80',
    '::1:80',
    '[::1]',
    '[::1]:',
    '[1.2.3.4]:80',
    '[::1]x:80',
    'UNIX',
    'unix:/tmp/x',
  ];
  for (const address of addresses) {
    for (const key of ['remote', 'local']) {
      t.throws(
        () => decodeOpen(json(open, { [key]: address })),
        { instanceOf: ProtocolError, message: new RegExp(`^OPEN: ${key} is`) },
        String(address),
      );
    }
  }
});

test('RESET takes any code, known or not, and a message of up to 512 bytes', (t) => {
  t.deepEqual(decodeReset(Buffer.of(0xab, 0xcd)), { code: 0xabcd, message: '' });
  const full = Buffer.concat([Buffer.of(0, 1), Buffer.alloc(512, 'x')]);
  t.is(decodeReset(full).message.length, 512);
  for (const payload of [
    Buffer.alloc(0),
    Buffer.alloc(1),
    Buffer.concat([full, Buffer.of(0x78)]),
    Buffer.of(0, 1, 0xff),
  ]) {
    t.throws(() => decodeReset(payload), { instanceOf: ProtocolError });
  }
});

test('DEMAND is four bytes, PING and PONG are eight', (t) => {
  t.is(decodeDemand(Buffer.from('ffffffff', 'hex')), 4_294_967_295);
  t.deepEqual(decodeOpaque(Buffer.alloc(8, 7)), Buffer.alloc(8, 7));
  for (const length of [0, 3, 5]) t.throws(() => decodeDemand(Buffer.alloc(length)), { instanceOf: ProtocolError });
  for (const length of [0, 7, 9]) t.throws(() => decodeOpaque(Buffer.alloc(length)), { instanceOf: ProtocolError });
});

test('proofs and nonces of a wrong length are bugs of the caller', (t) => {
  const short = Buffer.alloc(15);
  t.throws(() => encodeChallenge({ version: 1, nonce: short }), { instanceOf: RangeError });
  t.throws(() => encodeHello(short, nonce, json(info)), { instanceOf: RangeError });
  t.throws(() => encodeHello(proof, short, json(info)), { instanceOf: RangeError });
  t.throws(() => encodeWelcome(short, json(settings)), { instanceOf: RangeError });
});
