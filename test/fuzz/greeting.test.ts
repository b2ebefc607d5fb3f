/** The greeting against whatever may come: nobody is let in, and every end is a typed error and a closed connection. */
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { HandshakeTimeoutError, PooldError } from '../../src/shared/errors.ts';
import { Greeter } from '../../src/shared/session/greeter.ts';
import { ClientGreeting, type Greeting, ServerGreeting } from '../../src/shared/session/greeting.ts';
import type { TokenRing } from '../../src/shared/session/token-ring.ts';
import { encodeFrame } from '../../src/shared/wire/encode.ts';
import { FrameType, HEADER_BYTES, payloadLimit } from '../../src/shared/wire/frame.ts';
import { FedSocket } from '../helpers/fed-socket.ts';
import { CHANNEL, CLIENT, NOW, SETTINGS, tokens } from '../helpers/session-pair.ts';

const { challenge, hello, welcome, reject } = FrameType;

/** One side of a greeting, and how it has ended. */
class Side {
  readonly socket = new FedSocket();
  greeted = false;
  error: Error | undefined;
  readonly #greeter: Greeter;

  constructor(greeting: Greeting) {
    this.#greeter = new Greeter(this.socket, greeting, {
      onGreeted: (_, decoder) => {
        this.greeted = true;
        decoder.sink = { onHeader() {}, onPayload() {} };
      },
      onGreetingFailed: (error) => (this.error = error),
    });
    this.#greeter.start();
  }

  /** All that it has written so far. */
  get said(): Buffer {
    return Buffer.concat(this.socket.written);
  }

  /** Not let in: it has failed with a typed error, or waits for more until its deadline; and its connection is closed. */
  refused(what: string): void {
    if (this.greeted) throw new Error(`let in: ${what}`);
    this.#greeter.abort(new HandshakeTimeoutError('greeting', 5000));
    if (!(this.error instanceof PooldError)) throw new Error(`${what}: ${this.error}`);
    if (!this.socket.destroyed && !this.socket.writableEnded) throw new Error(`left open: ${what}`);
  }
}

const serverSide = (ring: TokenRing): Side =>
  new Side(
    new ServerGreeting({
      channel: CHANNEL,
      tokens: ring,
      hasTunnel: () => true,
      admit: () => SETTINGS,
      wallNow: () => NOW,
    }),
  );
const clientSide = (ring: TokenRing): Side =>
  new Side(
    new ClientGreeting({ channel: CHANNEL, tokens: ring, hello: { tunnel: 'a', client: CLIENT, agent: 'test' } }),
  );

/** Whose words are changed on their way: the server's first, the client's, the server's last. */
const WORDS = ['CHALLENGE', 'HELLO', 'WELCOME'] as const;

/** A whole greeting, of which one frame is changed on its way. */
function greet(ring: TokenRing, word: (typeof WORDS)[number], change: (frame: Buffer) => Buffer): [Side, Side] {
  const [server, client] = [serverSide(ring), clientSide(ring)];
  const pass = (name: (typeof WORDS)[number], frame: Buffer): Buffer => (name === word ? change(frame) : frame);
  const first = server.said;
  client.socket.feed(pass('CHALLENGE', first));
  server.socket.feed(pass('HELLO', client.said));
  client.socket.feed(pass('WELCOME', server.said.subarray(first.length)));
  return [server, client];
}

/** Nobody is let in, but for a server whose last word is lost. */
function refused([server, client]: [Side, Side], word: (typeof WORDS)[number], what: string): void {
  client.refused(`${what} of ${word}, the client`);
  if (word !== 'WELCOME') server.refused(`${what} of ${word}, the server`);
}

async function lengthsOf(t: ExecutionContext): Promise<Record<(typeof WORDS)[number], number>> {
  const lengths = { CHALLENGE: 0, HELLO: 0, WELCOME: 0 };
  for (const word of WORDS) {
    const [server, client] = greet(await tokens(), word, (frame) => {
      lengths[word] = frame.length;
      return frame;
    });
    t.true(server.greeted && client.greeted, 'unchanged, both are let in');
  }
  return lengths;
}

test('a greeting in which any single bit is another fails', async (t) => {
  const ring = await tokens();
  const lengths = await lengthsOf(t);
  let bits = 0;
  for (const word of WORDS) {
    for (let bit = 0; bit < lengths[word] * 8; bit += 1) {
      const flip = (frame: Buffer): Buffer => {
        const changed = Buffer.from(frame);
        changed[bit >> 3] = (frame[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return changed;
      };
      refused(greet(ring, word, flip), word, `bit ${bit}`);
      bits += 1;
    }
  }
  t.log(`${bits} bits`);
  t.true(bits > 2000);
});

test('a greeting in which a frame or its payload is cut short anywhere fails', async (t) => {
  const ring = await tokens();
  const lengths = await lengthsOf(t);
  for (const word of WORDS) {
    for (let length = 0; length < lengths[word]; length += 1) {
      refused(
        greet(ring, word, (frame) => frame.subarray(0, length)),
        word,
        `the first ${length} bytes`,
      );
      // The same in order: the header tells of no more.
      const shorter = (frame: Buffer): Buffer => encodeFrame(frame[0] as FrameType, 0, frame.subarray(8, length));
      if (length >= HEADER_BYTES)
        refused(greet(ring, word, shorter), word, `${length - HEADER_BYTES} bytes of payload`);
    }
  }
  t.pass();
});

/** Words of another greeting between the same two, captured; and what else may be said. */
function captured(ring: TokenRing): Record<(typeof WORDS)[number], Buffer> {
  const words: Record<(typeof WORDS)[number], Buffer> = {
    CHALLENGE: Buffer.alloc(0),
    HELLO: Buffer.alloc(0),
    WELCOME: Buffer.alloc(0),
  };
  for (const word of WORDS) greet(ring, word, (frame) => (words[word] = frame));
  return words;
}

const anyFrame = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...WORDS) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(challenge, hello, welcome, reject), fc.uint8Array({ maxLength: 200, size: 'max' }))
      .map(([type, payload]): Uint8Array => encodeFrame(type, 0, payload)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...Object.values(FrameType)), fc.nat(3), fc.uint8Array({ maxLength: 20 }))
      .map(([type, visit, payload]): Uint8Array => encodeFrame(type, visit, payload)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(challenge, hello, welcome, reject), fc.jsonValue())
      .map(([type, value]): Uint8Array => {
        const json = Buffer.concat([Buffer.alloc(type === hello ? 48 : 32), Buffer.from(JSON.stringify(value))]);
        return encodeFrame(type, 0, json.subarray(0, payloadLimit(type)));
      }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30, size: 'max' }) },
);

test('whatever is said in place of a greeting, in whatever order, old words among it: nobody is let in', async (t) => {
  const ring = await tokens();
  const old = captured(ring);
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 });
  const codes = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(anyFrame, { minLength: 1, maxLength: 6, size: 'max' }),
      cuts,
      (server, said, sizes) => {
        const side = server ? serverSide(ring) : clientSide(ring);
        const bytes = Buffer.concat(said.map((part) => (typeof part === 'string' ? old[part] : part)));
        side.socket.feed(bytes, sizes);
        side.refused('whatever was said');
        const { code } = side.error as PooldError;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      },
    ),
    { numRuns: 10_000 },
  );
  t.log(JSON.stringify([...codes]));
  t.true(codes.size >= 3);
});
