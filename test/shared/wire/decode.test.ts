import test from 'ava';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/shared/errors.ts';
import { FrameDecoder, type FrameSink } from '../../../src/shared/wire/decode.ts';
import { encodeFrame } from '../../../src/shared/wire/encode.ts';
import { FrameType, MAX_VISIT, payloadLimit } from '../../../src/shared/wire/frame.ts';

interface Frame {
  readonly type: number;
  readonly visit: number;
  readonly payload: string;
}

/** Puts frames together again and checks the order of the callbacks on the way. */
class Collector implements FrameSink {
  readonly frames: Frame[] = [];
  /** The header whose payload is still coming. */
  #open: { type: number; visit: number; length: number } | undefined;
  #pieces: Buffer[] = [];

  onHeader(type: number, visit: number, length: number): void {
    if (this.#open !== undefined) throw new Error('a header inside a payload');
    if (length === 0) this.frames.push({ type, visit, payload: '' });
    else this.#open = { type, visit, length };
  }

  onPayload(piece: Buffer, last: boolean): void {
    if (this.#open === undefined) throw new Error('a payload without a header');
    if (piece.length === 0) throw new Error('an empty piece');
    this.#pieces.push(piece);
    const payload = Buffer.concat(this.#pieces);
    if (last !== (payload.length === this.#open.length)) throw new Error('"last" is wrong');
    if (!last) return;
    this.frames.push({ type: this.#open.type, visit: this.#open.visit, payload: payload.toString('hex') });
    this.#open = undefined;
    this.#pieces = [];
  }
}

const ignore: FrameSink = { onHeader() {}, onPayload() {} };

const anyFrame = fc
  .record({
    type: fc.oneof(fc.constantFrom(...Object.values(FrameType)), fc.integer({ min: 0x80, max: 0xff })),
    visit: fc.integer({ min: 0, max: MAX_VISIT }),
    payload: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ type, visit, payload }): Frame => ({ type, visit, payload: Buffer.from(payload).toString('hex') }));

function bytesOf({ type, visit, payload }: Frame): Buffer {
  return encodeFrame(type as FrameType, visit, Buffer.from(payload, 'hex'));
}

function header(type: number, length: number): Buffer {
  return Buffer.of(type, length >>> 16, length >>> 8, length, 0, 0, 0, 1);
}

test('frames arrive whole and in order, wherever the stream is split in two', (t) => {
  fc.assert(
    fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 5 }), (frames) => {
      const bytes = Buffer.concat(frames.map(bytesOf));
      for (let split = 0; split <= bytes.length; split += 1) {
        const sink = new Collector();
        const decoder = new FrameDecoder(sink);
        decoder.push(bytes.subarray(0, split));
        decoder.push(bytes.subarray(split));
        t.deepEqual(sink.frames, frames);
        t.false(decoder.midFrame);
      }
    }),
    { numRuns: 30 },
  );
});

test('frames arrive whole and in order, however small the chunks are', (t) => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 12 })),
      (frames, sizes) => {
        const bytes = Buffer.concat(frames.map(bytesOf));
        const sink = new Collector();
        const decoder = new FrameDecoder(sink);
        for (let offset = 0; offset < bytes.length; ) {
          const size = sizes.next().value ?? 1;
          decoder.push(bytes.subarray(offset, offset + size));
          offset += size;
        }
        t.deepEqual(sink.frames, frames);
      },
    ),
  );
});

test('whatever bytes come, nothing but a ProtocolError is thrown', (t) => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    anyFrame.map((frame): Uint8Array => bytesOf(frame)),
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 20 }), (chunks) => {
      const decoder = new FrameDecoder(new Collector());
      try {
        for (const bytes of chunks) decoder.push(Buffer.from(bytes));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }),
  );
  t.pass();
});

test('a frame is refused at its header if it is too long, and taken at exactly the limit', (t) => {
  for (const type of [...Object.values(FrameType), 0x80, 0xff]) {
    const decoder = new FrameDecoder(ignore);
    decoder.push(header(type, payloadLimit(type)));
    t.true(decoder.midFrame, `type ${type}`);
    const heard = new Collector();
    t.throws(() => new FrameDecoder(heard).push(header(type, payloadLimit(type) + 1)), { instanceOf: ProtocolError });
    t.deepEqual(heard.frames, []);
  }
});

test('an unknown type below 0x80 is refused before the sink hears of it', (t) => {
  const known = new Set<number>(Object.values(FrameType));
  for (let type = 0; type < 0x80; type += 1) {
    if (known.has(type)) continue;
    const sink = new Collector();
    t.throws(() => new FrameDecoder(sink).push(header(type, 0)), {
      instanceOf: ProtocolError,
      message: new RegExp(`0x${type.toString(16).padStart(2, '0')} is unknown`),
    });
    t.deepEqual(sink.frames, []);
  }
});

test('payload is handed on as views of the chunk, never copied', (t) => {
  const chunk = encodeFrame(FrameType.data, 1, Buffer.from('abcdef'));
  const decoder = new FrameDecoder({
    onHeader() {},
    onPayload(piece) {
      t.is(piece.buffer, chunk.buffer);
    },
  });
  t.plan(2);
  decoder.push(chunk.subarray(0, 10));
  decoder.push(chunk.subarray(10));
});

test('midFrame is true from the first byte of a frame to the last', (t) => {
  const bytes = encodeFrame(FrameType.data, 1, Buffer.from('abc'));
  const decoder = new FrameDecoder(ignore);
  const seen = Array.from(bytes, (_, index) => {
    decoder.push(bytes.subarray(index, index + 1));
    return decoder.midFrame;
  });
  t.deepEqual(seen, [...Array<boolean>(10).fill(true), false]);
});

test('after stop() inside a callback nothing more is heard, of this chunk or the next', (t) => {
  const bytes = Buffer.concat([encodeFrame(FrameType.data, 1, Buffer.from('a')), encodeFrame(FrameType.fin, 1)]);
  for (const stopAt of ['onHeader', 'onPayload'] as const) {
    const calls: string[] = [];
    const note = (name: string): void => {
      calls.push(name);
      if (name === stopAt) decoder.stop();
    };
    const decoder = new FrameDecoder({ onHeader: () => note('onHeader'), onPayload: () => note('onPayload') });
    decoder.push(bytes);
    decoder.push(bytes);
    t.deepEqual(calls, stopAt === 'onHeader' ? ['onHeader'] : ['onHeader', 'onPayload']);
  }
});

test('a sink that is replaced between two frames of a chunk hears the second', (t) => {
  const second = new Collector();
  const decoder = new FrameDecoder({
    onHeader() {
      decoder.sink = second;
    },
    onPayload() {},
  });
  decoder.push(Buffer.concat([encodeFrame(FrameType.opened, 1), encodeFrame(FrameType.fin, 1)]));
  t.deepEqual(second.frames, [{ type: FrameType.fin, visit: 1, payload: '' }]);
});

test('a decoder that has thrown ignores what comes after, for its place in the stream is lost', (t) => {
  let headers = 0;
  const decoder = new FrameDecoder({
    onHeader() {
      headers += 1;
      throw new Error('not in this state');
    },
    onPayload() {},
  });
  t.throws(() => decoder.push(encodeFrame(FrameType.fin, 1)), { message: 'not in this state' });
  decoder.push(encodeFrame(FrameType.fin, 1));
  t.is(headers, 1);
});
