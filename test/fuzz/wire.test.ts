/** The bytes of the wire against whatever may come: frames, payloads and tags. */
import test from 'ava';
import fc from 'fast-check';
import { BadTagError, PooldError, ProtocolError, type RejectCode } from '../../src/shared/errors.ts';
import { FrameDecoder } from '../../src/shared/wire/decode.ts';
import { encodeDemand, encodeReset } from '../../src/shared/wire/encode.ts';
import { FrameType, HEADER_BYTES, MAX_VISIT, payloadLimit } from '../../src/shared/wire/frame.ts';
import {
  decodeChallenge,
  decodeDemand,
  decodeHello,
  decodeOpaque,
  decodeOpen,
  decodeReject,
  decodeReset,
  decodeWelcome,
  encodeHello,
  encodeHelloJson,
  encodeOpen,
  encodeReject,
  encodeWelcome,
  encodeWelcomeJson,
} from '../../src/shared/wire/messages.ts';
import { decodeTag, encodeTag, TAG_BYTES } from '../../src/shared/wire/tag.ts';
import { bytesOf, type Frame, FrameCollector } from '../helpers/frame-collector.ts';

const anyType = fc.oneof(fc.constantFrom(...Object.values(FrameType)), fc.integer({ min: 0x80, max: 0xff }));

/** A frame of up to so many bytes, or of its type's limit where that is less. */
const frameOf = (bytes: number): fc.Arbitrary<Frame> =>
  fc
    .record({
      type: anyType,
      visit: fc.integer({ min: 0, max: MAX_VISIT }),
      payload: fc.uint8Array({ maxLength: bytes, size: 'max' }),
    })
    .map(({ type, visit, payload }) => {
      return { type, visit, payload: Buffer.from(payload.subarray(0, payloadLimit(type))).toString('hex') };
    });

const small = frameOf(40);

/** A frame with a payload of exactly its type's limit, or a byte less: as long as frames get. */
const full = fc.record({ type: anyType, byte: fc.nat(255), less: fc.nat(1) }).map(({ type, byte, less }): Frame => {
  return { type, visit: 1, payload: Buffer.alloc(payloadLimit(type) - less, byte).toString('hex') };
});

/** Decodes in chunks of these sizes, again and again; returns what was heard and what was thrown. */
function decode(bytes: Buffer, sizes: readonly number[]): { frames: Frame[]; error: unknown; held: number } {
  const sink = new FrameCollector();
  const decoder = new FrameDecoder(sink);
  let offset = 0;
  let held = 0;
  try {
    for (let turn = 0; offset < bytes.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      const chunk = bytes.subarray(offset, offset + size);
      offset += chunk.length;
      decoder.push(chunk);
      held = Math.max(held, offset - sink.heard);
    }
  } catch (error) {
    return { frames: sink.frames, error, held };
  }
  return { frames: sink.frames, error: undefined, held };
}

test('frames arrive as they were encoded, wherever the stream is split in two', (t) => {
  fc.assert(
    fc.property(fc.array(small, { minLength: 1, maxLength: 5, size: 'max' }), (frames) => {
      const bytes = Buffer.concat(frames.map(bytesOf));
      for (let split = 0; split <= bytes.length; split += 1) {
        const sink = new FrameCollector();
        const decoder = new FrameDecoder(sink);
        decoder.push(bytes.subarray(0, split));
        decoder.push(bytes.subarray(split));
        t.deepEqual(sink.frames, frames);
        t.false(decoder.midFrame);
      }
    }),
    { numRuns: 100 },
  );
});

test('frames arrive as they were encoded, however the stream is cut', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20, size: 'max' });
  fc.assert(
    fc.property(fc.array(small, { maxLength: 12, size: 'max' }), sizes, (frames, cuts) => {
      const { frames: heard, error } = decode(Buffer.concat(frames.map(bytesOf)), cuts);
      t.deepEqual(heard, frames);
      t.is(error, undefined);
    }),
    { numRuns: 8000 },
  );
});

test('frames as long as they may be arrive whole, and no more than a header is kept of them', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(full, { minLength: 1, maxLength: 3 }), sizes, (frames, cuts) => {
      const { frames: heard, held } = decode(Buffer.concat(frames.map(bytesOf)), [...cuts, 10_000]);
      if (JSON.stringify(heard) !== JSON.stringify(frames)) throw new Error('other frames');
      t.true(held < HEADER_BYTES, `${held} bytes`);
    }),
    { numRuns: 100 },
  );
});

test('whatever bytes come: frames or a ProtocolError, the same however they are cut, and no byte is kept', (t) => {
  const bytes = fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 30, size: 'max' }),
        small.map((frame): Uint8Array => bytesOf(frame)),
        // A header that claims whatever it likes.
        fc.tuple(anyType, fc.nat(0xffffff)).map(([type, length]) => {
          return Uint8Array.of(type, length >>> 16, length >>> 8, length, 0, 0, 0, 1);
        }),
      ),
      { maxLength: 12, size: 'max' },
    )
    .map((parts) => Buffer.concat(parts));
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(bytes, sizes, (stream, cuts) => {
      const whole = decode(stream, [Math.max(1, stream.length)]);
      const cut = decode(stream, cuts);
      for (const { error, held } of [whole, cut]) {
        if (error !== undefined && !(error instanceof ProtocolError)) throw error;
        if (error === undefined && held >= HEADER_BYTES) throw new Error(`${held} bytes are kept`);
      }
      t.deepEqual(cut.frames, whole.frames);
      t.is((cut.error as Error | undefined)?.message, (whole.error as Error | undefined)?.message);
    }),
    { numRuns: 25_000 },
  );
});

const proof = Buffer.alloc(32, 0xaa);
const nonce = Buffer.alloc(16, 0xbb);

test('whatever a payload holds, only our own errors are thrown, and none quotes it', (t) => {
  const decoders = [
    decodeChallenge,
    decodeHello,
    decodeWelcome,
    decodeReject,
    decodeOpen,
    decodeReset,
    decodeDemand,
    decodeOpaque,
  ];
  const secret = 'hunter2-hunter2';
  const key = fc.constantFrom(
    ...['tunnel', 'client', 'agent', 'kid', 'require', 'opener', 'maxConnections', 'keepAliveMs', 'worker', 'workers'],
    ...['code', 'message', 'retryAfterMs', 'protocol', 'remote', 'local', '__proto__', 'constructor'],
  );
  const json = fc
    .oneof(
      fc.dictionary(key, fc.oneof(fc.constant(secret), fc.integer(), fc.jsonValue({ maxDepth: 2 }))),
      fc.jsonValue(),
    )
    .map((value) => Buffer.from(JSON.stringify(value)));
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 200, size: 'max' }),
    json,
    json.map((bytes) => Buffer.concat([proof, bytes])),
    json.map((bytes) => Buffer.concat([proof, nonce, bytes])),
    // JSON in which a byte is not what it was.
    fc.tuple(json, fc.nat(200), fc.nat(255)).map(([bytes, at, byte]) => {
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(payload, (bytes) => {
      for (const read of decoders) {
        try {
          read(Buffer.from(bytes));
        } catch (error) {
          if (!(error instanceof PooldError)) throw error;
          if (error.message.includes(secret)) throw new Error('quotes the payload', { cause: error });
        }
      }
    }),
    { numRuns: 20_000 },
  );
  t.pass();
});

const characters = (alphabet: string, low: number, high: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet.split('')), minLength: low, maxLength: high, size: 'max' });
const HEX = '0123456789abcdef';
const name = characters('ABCXYZabcxyz0189._-', 1, 64);
const ip = fc.oneof(
  fc.ipV4().map((host) => host),
  fc.ipV6().map((host) => `[${host}]`),
);
const address = fc.oneof(
  fc.constant('unix'),
  fc.tuple(ip, fc.nat(65_535)).map(([host, port]) => `${host}:${port}`),
);

test('messages survive the way there, whatever they say', (t) => {
  const hello = fc.record({
    tunnel: name,
    client: characters(HEX, 32, 32),
    agent: characters(' !/poold-~', 1, 128),
    kid: characters(HEX, 8, 8),
  });
  const workers = fc.integer({ min: 1, max: 1024 });
  const settings = fc
    .record({
      opener: fc.constantFrom<'server' | 'client'>('server', 'client'),
      maxConnections: fc.integer({ min: 1, max: 1_000_000 }),
      keepAliveMs: fc.oneof(fc.constant(0), fc.integer({ min: 1000, max: 3_600_000 })),
      workers,
      worker: fc.nat(1023),
    })
    .filter(({ worker, workers: all }) => worker < all);
  const open = fc.record({
    protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
    tunnel: name,
    remote: address,
    local: address,
  });
  const reject = fc.record({
    code: fc.constantFrom<RejectCode>('auth', 'version', 'busy', 'tunnel', 'full', 'limit'),
    message: characters('plain words, no marks', 0, 512),
    retryAfterMs: fc.nat(3_600_000),
  });
  const reset = fc.record({ code: fc.nat(65_535), message: characters('the visitor lëft ✓', 0, 170) });
  fc.assert(
    fc.property(hello, settings, open, reject, reset, fc.nat(2 ** 32 - 1), (said, terms, visit, no, end, count) => {
      const json = encodeHelloJson(said);
      t.deepEqual(decodeHello(encodeHello(proof, nonce, json)), { ...said, proof, nonce, json });
      const terse = encodeWelcomeJson(terms);
      t.deepEqual(decodeWelcome(encodeWelcome(proof, terse)), { ...terms, proof, json: terse });
      t.deepEqual(decodeOpen(encodeOpen(visit)), visit);
      t.deepEqual(decodeReject(encodeReject(no)), no);
      t.deepEqual(decodeReset(encodeReset(1, end.code, end.message).subarray(HEADER_BYTES)), end);
      t.is(decodeDemand(encodeDemand(count).subarray(HEADER_BYTES)), count);
    }),
    { numRuns: 3000 },
  );
});

test('whatever comes where a tag is due is an ID of its format, with the same bytes, or a BadTagError', (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 12, size: 'max' }),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
    characters('AZaz09_-', 8, 8).map((text): Uint8Array => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, fc.constantFrom('text8', 'raw4'), (given, format) => {
      const tag = Buffer.from(given);
      try {
        const id = decodeTag(tag, format);
        if (tag.length !== TAG_BYTES(format) || !encodeTag(id, format).equals(tag)) throw new Error(`another: ${id}`);
      } catch (error) {
        if (!(error instanceof BadTagError)) throw error;
      }
    }),
    { numRuns: 10_000 },
  );
  t.pass();
});
