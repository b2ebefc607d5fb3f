import test from 'ava';
import { ProtocolError } from '../../../src/shared/errors.ts';
import { FrameDecoder, type FrameSink } from '../../../src/shared/wire/decode.ts';
import { encodeFrame } from '../../../src/shared/wire/encode.ts';
import { FrameType, payloadLimit } from '../../../src/shared/wire/frame.ts';
import { FrameCollector } from '../../helpers/frame-collector.ts';

const ignore: FrameSink = { onHeader() {}, onPayload() {} };

function header(type: number, length: number): Buffer {
  return Buffer.of(type, length >>> 16, length >>> 8, length, 0, 0, 0, 1);
}

test('case 3: a frame is refused at its header if it is too long, and taken at exactly the limit', (t) => {
  for (const type of [...Object.values(FrameType), 0x80, 0xff]) {
    const decoder = new FrameDecoder(ignore);
    decoder.push(header(type, payloadLimit(type)));
    t.true(decoder.midFrame, `type ${type}`);
    const heard = new FrameCollector();
    t.throws(() => new FrameDecoder(heard).push(header(type, payloadLimit(type) + 1)), { instanceOf: ProtocolError });
    t.deepEqual(heard.frames, []);
  }
});

test('an unknown type below 0x80 is refused before the sink hears of it', (t) => {
  const known = new Set<number>(Object.values(FrameType));
  for (let type = 0; type < 0x80; type += 1) {
    if (known.has(type)) continue;
    const sink = new FrameCollector();
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
  const second = new FrameCollector();
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
