import test from 'ava';
import { InvalidOptionError } from '../../../src/shared/errors.ts';
import {
  encodeHelloJson,
  encodeWelcomeJson,
  type HelloInfo,
  type Settings,
} from '../../../src/shared/wire/messages.ts';
import {
  clientProof,
  deriveKid,
  deriveMaster,
  deriveTunnelKey,
  NO_TOKEN_MASTER,
  proofsEqual,
  serverProof,
  type Transcript,
} from '../../../src/shared/wire/proof.ts';
import { VECTORS, type Vector } from './vectors.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

function transcriptOf(vector: Vector): Transcript & { readonly welcome: Buffer } {
  return {
    secure: vector.secure,
    tag: hex(vector.tag),
    challenge: hex(vector.challenge),
    clientNonce: hex(vector.clientNonce),
    binding: hex(vector.binding),
    hello: Buffer.from(vector.hello),
    welcome: Buffer.from(vector.welcome),
  };
}

const [vector] = VECTORS as readonly [Vector, ...Vector[]];
const key = hex(vector.key);
const transcript = transcriptOf(vector);

test('the page has a vector with a token and TLS, and one with neither', (t) => {
  t.deepEqual(
    VECTORS.map(({ token, secure }) => [token !== undefined, secure]),
    [
      [true, true],
      [false, false],
    ],
  );
});

for (const vector of VECTORS) {
  test(`keys and proofs equal those of an independent computation: ${vector.title}`, async (t) => {
    const master = vector.token === undefined ? NO_TOKEN_MASTER : await deriveMaster(vector.token);
    t.is(master.toString('hex'), vector.master);
    t.is(deriveKid(master), vector.kid);
    t.is(deriveTunnelKey(master, vector.tunnel).toString('hex'), vector.key);
    t.is(clientProof(hex(vector.key), transcriptOf(vector)).toString('hex'), vector.clientProof);
    t.is(serverProof(hex(vector.key), transcriptOf(vector)).toString('hex'), vector.serverProof);
  });

  test(`the messages are encoded byte by byte as in the vector: ${vector.title}`, (t) => {
    t.is(encodeHelloJson(JSON.parse(vector.hello) as HelloInfo).toString(), vector.hello);
    t.is(encodeWelcomeJson(JSON.parse(vector.welcome) as Settings).toString(), vector.welcome);
  });
}

test('every field of the transcript changes both proofs, and WELCOME the server’s alone', (t) => {
  const flip = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
    return copy;
  };
  const changed: Record<keyof Transcript, Transcript> = {
    secure: { ...transcript, secure: !transcript.secure },
    tag: { ...transcript, tag: flip(transcript.tag) },
    challenge: { ...transcript, challenge: flip(transcript.challenge) },
    clientNonce: { ...transcript, clientNonce: flip(transcript.clientNonce) },
    binding: { ...transcript, binding: flip(transcript.binding) },
    hello: { ...transcript, hello: flip(transcript.hello) },
    welcome: { ...transcript, welcome: flip(transcript.welcome) },
  };
  for (const [field, other] of Object.entries(changed)) {
    t.is(proofsEqual(clientProof(key, transcript), clientProof(key, other)), field === 'welcome', field);
    t.false(proofsEqual(serverProof(key, transcript), serverProof(key, other)), field);
  }
  t.false(proofsEqual(clientProof(key, transcript), clientProof(flip(key), transcript)));
  t.false(proofsEqual(serverProof(key, transcript), serverProof(flip(key), transcript)));
});

test('keys differ by tunnel', (t) => {
  const master = hex(vector.master);
  t.notDeepEqual(deriveTunnelKey(master, 'web'), deriveTunnelKey(master, 'web2'));
});

test('the master of a token is derived once, also for those who ask at the same time', async (t) => {
  const [one, other] = await Promise.all([deriveMaster('a token'), deriveMaster('a token')]);
  t.is(one, other);
  for (let token = 0; token < 3; token += 1) t.notDeepEqual(await deriveMaster(`token ${token}`), one);
  t.is(await deriveMaster('a token'), one);
});

test('an empty token is refused and never becomes a key', async (t) => {
  await t.throwsAsync(deriveMaster(''), { instanceOf: InvalidOptionError, message: /^token: is empty/ });
});

test('a field of a wrong length is a bug of the caller', (t) => {
  const short = Buffer.alloc(3);
  for (const field of ['tag', 'challenge', 'clientNonce', 'binding'] as const) {
    const wrong = { ...transcript, [field]: short };
    t.throws(() => clientProof(key, wrong), { instanceOf: RangeError }, field);
    t.throws(() => serverProof(key, wrong), { instanceOf: RangeError }, field);
  }
  t.throws(() => clientProof(short, transcript), { instanceOf: RangeError });
  t.throws(() => deriveKid(short), { instanceOf: RangeError });
  t.throws(() => deriveTunnelKey(short, 'web'), { instanceOf: RangeError });
  const { welcome: _, ...withoutWelcome } = transcript;
  t.throws(() => serverProof(key, withoutWelcome), { instanceOf: RangeError, message: /WELCOME/ });
});

test('proofs that are too short are never equal, not even to each other', (t) => {
  t.true(proofsEqual(Buffer.alloc(32, 1), Buffer.alloc(32, 1)));
  t.false(proofsEqual(Buffer.alloc(32, 1), Buffer.alloc(32, 2)));
  t.false(proofsEqual(Buffer.alloc(31), Buffer.alloc(31)));
  t.false(proofsEqual(Buffer.alloc(0), Buffer.alloc(0)));
  t.false(proofsEqual(Buffer.alloc(32), Buffer.alloc(33)));
});
